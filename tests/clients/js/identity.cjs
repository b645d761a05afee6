// @azure/identity: 2.0 takes a client id and nothing else, the newest an object of options.
"use strict";

const { DefaultAzureCredential, ManagedIdentityCredential } = require("@azure/identity");
const { run } = require("./calls.cjs");

const NAMES = { client_id: "clientId", object_id: "objectId", resource_id: "resourceId" };

function credentialOf({ credential, identity }) {
  if (credential === "default") {
    return new DefaultAzureCredential({ managedIdentityClientId: identity?.value });
  }
  if (!identity) return new ManagedIdentityCredential();
  if (identity.kind === "client_id") return new ManagedIdentityCredential(identity.value);
  return new ManagedIdentityCredential({ [NAMES[identity.kind]]: identity.value });
}

run((request) => {
  const credential = credentialOf(request);
  return async () => (await credential.getToken(`${request.resource}/.default`)).token;
});
