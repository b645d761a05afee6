//! object_store reads one blob; the stand-in's blob is the claims of the token it was shown.

#[path = "../../calls.rs"]
mod calls;

use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::{Certificate, ClientOptions, ObjectStoreExt};
use serde_json::{json, Value};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    calls::run(store_of, |store| async move {
        claims(&store).await.map_err(|error| calls::told(&error))
    })
    .await
}

async fn claims(store: &MicrosoftAzure) -> object_store::Result<Value> {
    let blob = store.get(&"claims.json".into()).await?.bytes().await?;
    Ok(json!({"claims": serde_json::from_slice::<Value>(&blob).expect("claims in JSON")}))
}

/// A builder that is told variables as options: it knows those whose names begin with AZURE_.
fn options_of(variables: impl Iterator<Item = (String, String)>) -> MicrosoftAzureBuilder {
    variables
        .filter(|(name, _)| name.starts_with("AZURE_"))
        .filter_map(|(name, value)| Some((name.to_lowercase().parse().ok()?, value)))
        .fold(
            MicrosoftAzureBuilder::new(),
            |builder, (key, value): (AzureConfigKey, _)| builder.with_config(key, value),
        )
}

fn store_of(asked: &Value) -> Arc<MicrosoftAzure> {
    let trusted = std::fs::read(std::env::var("SSL_CERT_FILE").unwrap()).unwrap();
    let options = Certificate::from_pem_bundle(&trusted)
        .unwrap()
        .into_iter()
        .fold(ClientOptions::new(), ClientOptions::with_root_certificate);
    let from_options = std::env::args().nth(2).as_deref() == Some("options");
    let mut builder = if from_options {
        options_of(std::env::vars())
    } else {
        MicrosoftAzureBuilder::from_env()
    };
    builder = builder
        .with_url(asked["container"].as_str().unwrap())
        .with_client_options(options);
    if let Some((kind, value)) = calls::identity(asked) {
        builder = match kind {
            "object_id" => builder.with_config(AzureConfigKey::ObjectId, value),
            "resource_id" => builder.with_config(AzureConfigKey::MsiResourceId, value),
            _ => builder.with_client_id(value),
        };
    }
    Arc::new(builder.build().expect("a store"))
}
