// @azure/msal-node's ManagedIdentityApplication.
"use strict";

const { ManagedIdentityApplication } = require("@azure/msal-node");
const { run } = require("./calls.cjs");

const NAMES = {
  client_id: "userAssignedClientId",
  object_id: "userAssignedObjectId",
  resource_id: "userAssignedResourceId",
};

run(({ identity, resource }) => {
  const application = new ManagedIdentityApplication(
    identity ? { managedIdentityIdParams: { [NAMES[identity.kind]]: identity.value } } : {},
  );
  return async () => (await application.acquireToken({ resource })).accessToken;
});
