// @azure/ms-rest-nodeauth, of the management libraries before @azure/identity.
"use strict";

const { MSIVmTokenCredentials } = require("@azure/ms-rest-nodeauth");
const { run } = require("./calls.cjs");

const NAMES = { client_id: "clientId", object_id: "objectId", resource_id: "identityId" };

run(({ identity, resource }) => {
  const named = identity ? { [NAMES[identity.kind]]: identity.value } : {};
  const credentials = new MSIVmTokenCredentials({ resource, ...named });
  return async () => (await credentials.getToken()).accessToken;
});
