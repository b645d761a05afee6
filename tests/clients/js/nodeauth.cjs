// @azure/ms-rest-nodeauth, of the management libraries before @azure/identity: the class for a VM, or
// where the second argument says so, the other one, that an app has to choose itself.
"use strict";

const { MSIAppServiceTokenCredentials, MSIVmTokenCredentials } = require("@azure/ms-rest-nodeauth");
const { run } = require("./calls.cjs");

const NAMES = { client_id: "clientId", object_id: "objectId", resource_id: "identityId" };

run(({ identity, resource }) => {
  const named = identity ? { [NAMES[identity.kind]]: identity.value } : {};
  const Credentials =
    process.argv[3] === "app-service" ? MSIAppServiceTokenCredentials : MSIVmTokenCredentials;
  // It keeps no token, and what it misses in the environment its constructor says.
  return async () => (await new Credentials({ resource, ...named }).getToken()).accessToken;
});
