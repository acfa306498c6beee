// A function app whose container starts with `conjur-agent exec --` (Dockerfile beside this file).
//   az deployment group create -g rg-web -f function-app.bicep -p name=func-acme registry=example.azurecr.io identityName=id-web planName=plan-premium storageName=stacme
// Volume: none. Nothing is written to a disk.
// Start order: the agent starts the Functions host when it has every value.
// End: the agent ends when the host does, with its exit code.
// Plans: Premium (Elastic Premium) or Dedicated. Not Consumption and not Flex Consumption: they run no custom containers.
param location string = resourceGroup().location

@description('The name of the app, part of its address.')
param name string

@description('Where the image is; the identity needs AcrPull there.')
param registry string

@description('A user-assigned identity of this resource group, with the Storage roles that the host needs.')
param identityName string

@description('An Elastic Premium or Dedicated Linux plan of this resource group.')
param planName string

@description('The storage account of the Functions host.')
param storageName string

param applianceUrl string = 'https://conjur.example.com'
param account string = 'acme'
param authenticator string = 'authn-azure/prod'
param login string = 'host/apps/web'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' existing = {
  name: planName
}

resource functions 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  kind: 'functionapp,linux,container'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {
      linuxFxVersion: 'DOCKER|${registry}/functions:1'
      acrUseManagedIdentityCreds: true
      acrUserManagedIdentityID: identity.properties.clientId
      appSettings: [
        { name: 'FUNCTIONS_EXTENSION_VERSION', value: '~4' }
        { name: 'WEBSITES_ENABLE_APP_SERVICE_STORAGE', value: 'false' }
        { name: 'AzureWebJobsStorage__accountName', value: storageName }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
        { name: 'CONJUR_APPLIANCE_URL', value: applianceUrl }
        { name: 'CONJUR_ACCOUNT', value: account }
        { name: 'CONJUR_AUTHENTICATOR', value: authenticator }
        { name: 'CONJUR_AUTHN_LOGIN', value: login }
        { name: 'CONJUR_AUTHN_AZURE_CLIENT_ID', value: identity.properties.clientId }
        { name: 'CONJUR_SECRETS__DB', value: '- apps/web/db-password\n- apps/web/db-user' }
      ]
    }
  }
}
