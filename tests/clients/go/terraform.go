// hashicorp's go-azure-sdk: how Terraform's azurerm and azuread providers get their tokens.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/hashicorp/go-azure-sdk/sdk/auth"
	"github.com/hashicorp/go-azure-sdk/sdk/environments"
)

func main() { run(newAuthorizer) }

func newAuthorizer(asked request) (client, error) {
	options := auth.ManagedIdentityAuthorizerOptions{
		Api: environments.NewApiEndpoint("asked", asked.Resource, nil),
		// The providers take their argument msi_endpoint from this variable.
		CustomManagedIdentityEndpoint: os.Getenv("ARM_MSI_ENDPOINT"),
	}
	if asked.Identity != nil {
		options.ClientId = asked.Identity.Value
	}
	authorizer, err := auth.NewManagedIdentityAuthorizer(context.Background(), options)
	return func() (string, error) {
		token, err := authorizer.Token(context.Background(), &http.Request{})
		if err != nil {
			return "", err
		}
		return token.AccessToken, nil
	}, err
}
