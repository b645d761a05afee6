// MSAL Go's managed identity client.
package main

import (
	"context"

	mi "github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"
)

func main() { run(newMsal) }

func newMsal(asked request) (client, error) {
	application, err := mi.New(idOf(asked.Identity))
	return func() (string, error) {
		result, err := application.AcquireToken(context.Background(), asked.Resource)
		return result.AccessToken, err
	}, err
}

func idOf(named *identity) mi.ID {
	if named == nil {
		return mi.SystemAssigned()
	}
	switch named.Kind {
	case "object_id":
		return mi.UserAssignedObjectID(named.Value)
	case "resource_id":
		return mi.UserAssignedResourceID(named.Value)
	default:
		return mi.UserAssignedClientID(named.Value)
	}
}
