//! azure_identity's ManagedIdentityCredential.

#[path = "../../calls.rs"]
mod calls;

use azure_core::credentials::TokenCredential;
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use serde_json::{json, Value};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let scope = format!("{}/.default", calls::asked()["resource"].as_str().unwrap());
    calls::run(credential_of, |credential| {
        let scope = scope.clone();
        async move {
            match credential.get_token(&[&scope], None).await {
                Ok(token) => Ok(json!({"token": token.token.secret()})),
                Err(error) => Err(calls::told(&error)),
            }
        }
    })
    .await
}

fn credential_of(asked: &Value) -> Arc<ManagedIdentityCredential> {
    let user_assigned_id = calls::identity(asked).map(|(kind, value)| match kind {
        "object_id" => UserAssignedId::ObjectId(value.to_string()),
        "resource_id" => UserAssignedId::ResourceId(value.to_string()),
        _ => UserAssignedId::ClientId(value.to_string()),
    });
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id,
        ..Default::default()
    };
    ManagedIdentityCredential::new(Some(options)).expect("a credential")
}
