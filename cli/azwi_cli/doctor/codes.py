"""What Entra ID's error codes mean: the cause, what to do, and whether waiting helps. Pure data.

Sources: Microsoft's list of AADSTS codes and its pages on workload identity federation, and
answers that were seen. azwi-proxy has a smaller table of its own for what it must decide on; a
test holds the two together. Longer than other modules, since it is a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NO = "no"
MINUTES = "for some minutes, where it was just created or changed; then no"
YES = "yes: it heals by itself"
LESS = "yes, with fewer requests"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code, or one well-known message."""

    meaning: str
    cause: str
    remedy: str
    waiting: str = NO
    """Whether waiting helps."""


_MATCH: Final = (
    "Compare issuer, subject and audience of the service account token with the federated"
    " credential letter by letter, the issuer's last slash too: azwi doctor POD does it, and"
    " az identity federated-credential list shows what is there."
)
_KEYS: Final = (
    "Publish the keys that the cluster signs with at the issuer's jwks_uri: azwi oidc check URL"
    " says what Entra ID sees there."
)
_RESOURCE: Final = (
    "Ask for the resource by its exact identifier, such as https://vault.azure.net or"
    " https://management.azure.com/."
)
_SECRET: Final = (
    "The request did not carry the service account token. In a pod with the sidecar report it;"
    " otherwise configure the app for workload identity rather than a client secret."
)
_TENANT: Final = (
    "Correct the tenant: annotation azure.workload.identity/tenant-id of the service account, or"
    " the webhook's AZURE_TENANT_ID."
)
_CLIENT: Final = (
    "Correct the annotation azure.workload.identity/client-id of the service account: it is the"
    " application (client) ID, not the object ID; then restart the pod."
)
_CLOUD: Final = (
    "Use the login host of the tenant's own cloud: the webhook's AZURE_ENVIRONMENT, or"
    " AZURE_AUTHORITY_HOST."
)
_TYPE: Final = (
    "Put the federated credential on a user-assigned managed identity or a single-tenant"
    " application."
)
_SERVICE: Final = "Nothing. The sidecar serves tokens that are still valid, and tries again."

CODES: Final[Mapping[int, Explanation]] = {
    70021: Explanation(
        "No federated credential of the identity matches the service account token.",
        "Issuer, subject or audience differ, or the credential is not yet known everywhere.",
        _MATCH,
        MINUTES,
    ),
    700211: Explanation(
        "No federated credential of the identity has the token's issuer.",
        "The issuer differs, often by its last slash (AKS has one), or the cluster is a new one.",
        _MATCH,
        MINUTES,
    ),
    700212: Explanation(
        "No federated credential of the identity has the token's audience.",
        "The token is for another audience than the credential: sovereign clouds and AKS identity"
        " bindings have their own.",
        "Make both the same: api://AzureADTokenExchange in the public cloud; the webhook's"
        " AZWI_AUDIENCE or AZURE_ENVIRONMENT decides the token's.",
    ),
    700213: Explanation(
        "No federated credential of the identity has the token's subject.",
        "The credential names another namespace or another service account than the pod runs as.",
        "Create one for system:serviceaccount:NAMESPACE:NAME of the pod: az identity"
        " federated-credential create.",
        MINUTES,
    ),
    7002138: Explanation(
        "A federated credential matches the subject but for upper and lower case.",
        "Entra ID has compared subjects with case since August 2024.",
        "Write the credential's subject as Kubernetes writes it, in lower case.",
    ),
    70025: Explanation(
        "The identity has no federated credential at all.",
        "None was created, or the client ID is another identity's.",
        "Create one: az identity federated-credential create, or for an application az ad app"
        " federated-credential create.",
        MINUTES,
    ),
    700222: Explanation(
        "A token that Entra ID itself issued was given in place of the service account's.",
        "AZURE_FEDERATED_TOKEN_FILE names another token, or the credential's issuer is Entra ID.",
        "Give the projected service account token: azwi doctor POD shows its issuer.",
    ),
    700223: Explanation(
        "The tenant does not allow federated credentials for this identity.",
        "An administrator has constrained or disabled them by policy.",
        "Ask an administrator of the tenant to allow them.",
    ),
    700238: Explanation(
        "The tenant does not allow this issuer.",
        "A policy of the tenant lists the issuers that federated credentials may name.",
        "Ask an administrator of the tenant to add the cluster's issuer: azwi oidc issuer prints"
        " it.",
    ),
    70052: Explanation(
        "The identity is of a kind that takes no federated credentials.",
        "It must be a managed identity, a single-tenant application or a service account.",
        _TYPE,
    ),
    700024: Explanation(
        "The service account token is outside its time: not yet valid, or expired.",
        "The app keeps an old copy of the token file, the kubelet does not renew it, or a clock is"
        " wrong.",
        "Read the file anew for each exchange (the sidecar does), and check the node's clock.",
        "no; a new request with the current token file does",
    ),
    700027: Explanation(
        "The service account token's signature does not verify by the issuer's published keys.",
        "The key that signs is not published, or a rotation has not reached Entra ID's cache.",
        _KEYS,
        "up to a day after a rotation, while old keys are cached; else no",
    ),
    50012: Explanation(
        "The service account token's signature or key is not accepted.",
        "The key that signs is not published, or is no RSA key.",
        _KEYS,
    ),
    50013: Explanation(
        "The service account token's signature does not verify.",
        "The published key of that kid is another one: the cluster was made anew under the same"
        " issuer, or its keys were rotated.",
        _KEYS,
        "up to a day after a rotation, while old keys are cached; else no",
    ),
    50027: Explanation(
        "The service account token is no valid JWT.",
        "AZURE_FEDERATED_TOKEN_FILE names another file, or an empty one.",
        "Look at the variable and the volume azure-identity-token: azwi doctor POD.",
    ),
    90061: Explanation(
        "Entra ID could not reach the issuer.",
        "The issuer's URL is not public, or its server was down.",
        "Make the issuer's documents public: azwi oidc check URL.",
        "yes, where the server was down; no, where it is not public",
    ),
    900612: Explanation(
        "Entra ID could not read the issuer's keys.",
        "The key set at jwks_uri is no valid JSON Web Key Set.",
        "Write it anew: azwi oidc generate; azwi oidc check URL says what is wrong.",
    ),
    700016: Explanation(
        "The tenant has no application with this client ID.",
        "Client ID and tenant do not belong together, the client ID is an object ID, or the"
        " identity was created a moment ago.",
        _CLIENT,
        MINUTES,
    ),
    70001: Explanation(
        "The application is not known in the tenant.",
        "Client ID and tenant do not belong together.",
        _CLIENT,
    ),
    7000112: Explanation(
        "The application is disabled.",
        "Somebody disabled its service principal.",
        "Enable it in the tenant: Enterprise applications, Properties, Enabled for users to"
        " sign-in.",
    ),
    700229: Explanation(
        "The identity may not be used in this flow.",
        "It is of a kind, or was asked in a way, that federated credentials do not allow.",
        _TYPE,
    ),
    7000229: Explanation(
        "The application has no service principal in the tenant.",
        "Only the application was created, or it lives in another tenant.",
        "Create it: az ad sp create --id CLIENT_ID.",
    ),
    90002: Explanation(
        "There is no such tenant.",
        "The tenant ID is mistyped, the tenant was deleted, or it lives in another cloud.",
        _TENANT,
    ),
    900023: Explanation(
        "The tenant ID is neither a GUID nor a domain.",
        "The annotation or the variable holds something else.",
        _TENANT,
    ),
    50194: Explanation(
        "A single-tenant application was asked for through /common.",
        "The tenant in use is common, organizations or another's.",
        _TENANT,
    ),
    500011: Explanation(
        "The tenant does not know the resource.",
        "The resource is mistyped, has a slash too many or too few, or its service principal is"
        " not in the tenant.",
        _RESOURCE,
    ),
    50001: Explanation(
        "The resource is missing or invalid.",
        "The app asks for none, or for one that the tenant does not know.",
        _RESOURCE,
    ),
    70011: Explanation(
        "The scope is not valid.",
        "It must be one resource with /.default behind it.",
        _RESOURCE,
    ),
    1002012: Explanation(
        "The scope does not end with /.default.",
        "The app asks for a single permission, or encodes the scope twice.",
        _RESOURCE,
    ),
    700022: Explanation(
        "Several resources were asked for at once.",
        "A token is for one resource.",
        "Ask for one resource at a time.",
    ),
    28002: Explanation(
        "The scope is not valid for the resource.",
        "The app asks for a permission that the resource does not have.",
        _RESOURCE,
    ),
    901002: Explanation(
        "The parameter resource is not supported by this endpoint.",
        "A request for the older endpoint was sent to v2.0.",
        "Use a current SDK, or ask the metadata address.",
    ),
    7000215: Explanation("The client secret is wrong.", "A secret was sent.", _SECRET),
    7000222: Explanation("The client secret has expired.", "A secret was sent.", _SECRET),
    7000218: Explanation(
        "The request has neither assertion nor secret.", "The SDK sent none.", _SECRET
    ),
    7000216: Explanation(
        "The request needs an assertion or a secret.", "The SDK sent none.", _SECRET
    ),
    500341: Explanation(
        "The user account was deleted.",
        "The app signs in as a user; workload identities are not concerned.",
        "Sign in as the workload identity: the app uses another credential of its chain.",
    ),
    50196: Explanation(
        "Entra ID saw the same request in a loop.",
        "The app asks for a new token again and again rather than keeping it.",
        "Keep tokens until shortly before they expire, or ask the sidecar, which does.",
        LESS,
    ),
    53003: Explanation(
        "Conditional Access blocks the identity.",
        "A policy for workload identities refuses it, by its address or its risk.",
        "Ask an administrator of the tenant; the sign-in logs name the policy.",
    ),
    90033: Explanation(
        "A part of Entra ID is unavailable for a moment.", "A fault of the service.", _SERVICE, YES
    ),
    90006: Explanation(
        "Another server did not answer Entra ID.", "A fault of the service.", _SERVICE, YES
    ),
    90012: Explanation(
        "The request timed out within Entra ID.", "A fault of the service.", _SERVICE, YES
    ),
    90024: Explanation(
        "Entra ID ran out of time or room for the request.",
        "A fault of the service.",
        _SERVICE,
        YES,
    ),
    50033: Explanation(
        "Entra ID met a fault that passes.", "A fault of the service.", _SERVICE, YES
    ),
    90013: Explanation("The request is not valid.", "A value of it is malformed.", _RESOURCE),
    90038: Explanation(
        "The tenant lives in another cloud.", "The login host is another cloud's.", _CLOUD
    ),
    90055: Explanation(
        "The tenant sends too many requests.",
        "Entra ID throttles the tenant as a whole.",
        "Find who asks so often (the sign-in logs); the sidecar asks once an hour for each token.",
        LESS,
    ),
    900382: Explanation(
        "Confidential clients may not cross clouds.", "The login host is another cloud's.", _CLOUD
    ),
    900432: Explanation(
        "Confidential clients may not cross clouds.", "The login host is another cloud's.", _CLOUD
    ),
    100007: Explanation(
        "The regional endpoint is for managed identities and certificates of Microsoft alone.",
        "AZURE_AUTHORITY_HOST names a regional host.",
        "Use the global login host: https://login.microsoftonline.com/.",
    ),
}

# The first digits of a code say who speaks. The longest that fits counts.
FAMILIES: Final[Mapping[str, str]] = {
    "5001": "is about a token or a resource that Entra ID does not accept",
    "500": "is about users, resources or tokens that Entra ID does not accept",
    "50": "is about signing in: accounts, passwords, sessions, tokens",
    "53": "is about Conditional Access: a policy of the tenant refuses",
    "65": "is about consent: the application lacks a permission",
    "7000": "is about the application and its credentials",
    "70002": "is about the assertion: a federated credential or its token",
    "7002": "is about federated credentials and their tokens",
    "700": "is about the application or its assertion",
    "70": "is about the application, its grant or its scope",
    "900": "is about the tenant, the cloud, or Entra ID itself",
    "90": "is about the request, the tenant, or Entra ID itself",
    "100": "is about regional endpoints",
    "1002": "is about scopes",
    "16": "is about an interactive sign-in, which a workload never does",
    "AADSTS": "is not of a family that azwi knows",
}

# Messages without a code, by a piece of their text in lower case.
MESSAGES: Final[Mapping[str, Explanation]] = {
    "identity not found": Explanation(
        "The pod has no identity of that client ID, object ID or resource ID.",
        "The app names an identity that the annotation azure.workload.identity/identities does not"
        " map, or none is the default.",
        "Add it to the map, or let the app name the pod's own identity by its client ID.",
    ),
    "multiple user assigned identities": Explanation(
        "The request names no identity where there are several.",
        "The node's own metadata service answered, or the pod has no default identity.",
        "Name the identity in the request, or annotate the service account with client-id.",
    ),
    "required metadata header not specified": Explanation(
        "The request lacks the header Metadata: true.",
        "The metadata service refuses such requests, as do all that stand in for it.",
        "Send the header; SDKs do, and their first probe on purpose does not.",
    ),
    "no managed identity endpoint found": Explanation(
        "The SDK found nobody at the metadata address.",
        "The pod has no sidecar, or the redirect is not in place; in environment mode, variables of"
        " the container are missing. Old SDKs go by MSI_ENDPOINT, which the annotation"
        ' azure.workload.identity/proxy-msi-endpoint: "false" leaves out.',
        "azwi doctor POD says which of them is missing. Take that annotation away where it is the"
        " reason, and create the pod anew.",
    ),
    "must be there once, with the value that the proxy's": Explanation(
        "azwi-proxy refuses a request for a token on /msi/token.",
        "IDENTITY_HEADER (or MSI_SECRET) of the app's container is not azwi-proxy's, or somebody"
        " asked who does not know it.",
        "azwi doctor POD compares them. Leave the variables to the webhook; create the pod anew.",
    ),
    "no response from the imds endpoint": Explanation(
        "Nobody answered at the metadata address, or with an error.",
        "The pod has no sidecar, the redirect is not in place, or Entra ID refused; in environment"
        " mode, the SDK goes by variables that the container lacks. It says the same for all.",
        "azwi doctor POD says which; the log of azwi-proxy has Entra ID's own words.",
    ),
    "too many requests": Explanation(
        "Whoever was asked throttles.",
        "Too many token requests in a short time.",
        "Keep tokens until shortly before they expire, or ask the sidecar, which does.",
        LESS,
    ),
    "workloadidentitycredential authentication unavailable": Explanation(
        "The SDK does not see the variables of workload identity.",
        "The webhook was not there when the pod was created, or the container is skipped.",
        "Look for the label azure.workload.identity/use on the pod, and create it anew: azwi"
        " doctor POD.",
    ),
}
