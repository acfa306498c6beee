// A Linux web app of two containers: the application and the agent as its sidecar, with a user-assigned identity.
//   az deployment group create -g rg-web -f web-app.bicep -p name=web-acme registry=example.azurecr.io identityName=id-web planName=plan-web
// Volume: the local storage that the containers of an app share is on the instance's disk, not in memory: requireTmpfs is warn.
//   What must never be written to a disk goes through `exec` in the application's image: ../exec/Dockerfile.
// Start order: containers of an app start together; the application waits with its own shell for the agent's status file
//   (wait.sh, in its image, since App Service splits a start command by rules of its own).
// End: the agent stays as long as the app.
param location string = resourceGroup().location

@description('The name of the app, part of its address.')
param name string

@description('Where both images are; the identity needs AcrPull there.')
param registry string

@description('A user-assigned identity of this resource group. A deployment slot needs one: its own identity does not pass authn-azure.')
param identityName string

@description('A Linux App Service plan of this resource group, Basic or higher.')
param planName string

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

// Every container gets the app settings, and IDENTITY_ENDPOINT and IDENTITY_HEADER of the platform with them. No start command:
// CONTAINER_MODE makes the agent a sidecar.
var settings = {
  CONTAINER_MODE: 'sidecar'
  CONJUR_APPLIANCE_URL: applianceUrl
  CONJUR_ACCOUNT: account
  CONJUR_AUTHENTICATOR: authenticator
  CONJUR_AUTHN_LOGIN: login
  CONJUR_AUTHN_AZURE_CLIENT_ID: identity.properties.clientId
  CONJUR_REQUIRE_TMPFS: 'warn'
  CONJUR_SECRETS__DB: '- apps/web/db-password\n- apps/web/db-user'
  CONJUR_SECRET_FILE_FORMAT__DB: 'json'
}

resource web 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  kind: 'app,linux,container'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {
      linuxFxVersion: 'sitecontainers'
      alwaysOn: true
      acrUseManagedIdentityCreds: true
      acrUserManagedIdentityID: identity.properties.clientId
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: web
  name: 'appsettings'
  properties: settings
}

resource main 'Microsoft.Web/sites/sitecontainers@2024-04-01' = {
  parent: web
  name: 'web'
  properties: {
    image: '${registry}/web:1'
    isMain: true
    targetPort: '8080'
    authType: 'UserAssigned'
    userManagedIdentityClientId: identity.properties.clientId
    startUpCommand: '/app/wait.sh /app/web'
    volumeMounts: [
      { volumeSubPath: '/conjur/secrets', containerMountPath: '/conjur/secrets', readOnly: true }
      { volumeSubPath: '/conjur/status', containerMountPath: '/conjur/status', readOnly: true }
    ]
  }
}

resource agent 'Microsoft.Web/sites/sitecontainers@2024-04-01' = {
  parent: web
  name: 'conjur-agent'
  properties: {
    image: '${registry}/conjur-agent:0.1.0'
    isMain: false
    authType: 'UserAssigned'
    userManagedIdentityClientId: identity.properties.clientId
    volumeMounts: [
      { volumeSubPath: '/conjur/secrets', containerMountPath: '/conjur/secrets', readOnly: false }
      { volumeSubPath: '/conjur/status', containerMountPath: '/conjur/status', readOnly: false }
    ]
  }
}
