// azidentity 1.8 to the newest.
package main

import (
	"context"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func main() { run(newAzidentity) }

func newAzidentity(asked request) (client, error) {
	credential, err := credentialOf(asked)
	options := policy.TokenRequestOptions{Scopes: []string{asked.Resource + "/.default"}}
	return func() (string, error) {
		token, err := credential.GetToken(context.Background(), options)
		return token.Token, err
	}, err
}

func credentialOf(asked request) (azcore.TokenCredential, error) {
	if asked.Credential == "default" {
		if asked.Identity != nil { // its one way to name an identity
			os.Setenv("AZURE_CLIENT_ID", asked.Identity.Value)
		}
		return azidentity.NewDefaultAzureCredential(nil)
	}
	options := &azidentity.ManagedIdentityCredentialOptions{}
	if asked.Identity != nil {
		options.ID = idOf(*asked.Identity)
	}
	return azidentity.NewManagedIdentityCredential(options)
}

func idOf(named identity) azidentity.ManagedIDKind {
	switch named.Kind {
	case "object_id":
		return azidentity.ObjectID(named.Value)
	case "resource_id":
		return azidentity.ResourceID(named.Value)
	default:
		return azidentity.ClientID(named.Value)
	}
}
