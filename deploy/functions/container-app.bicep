// Functions on Container Apps with the agent as sidecar, with a user-assigned identity.
//   az deployment group create -g rg-web -f container-app.bicep -p registry=example.azurecr.io identityName=id-web environmentName=env-web storageName=stacme
// Volume: EmptyDir of a container app is on the replica's disk, not in memory: requireTmpfs is warn. What must never be written
//   to a disk goes through `exec`: Dockerfile beside this file.
// Start order: containers of a replica start together; the host waits with its own shell for the agent's status file.
// End: the agent stays as long as the replica.
param location string = resourceGroup().location

@description('Where both images are; the identity needs AcrPull there.')
param registry string

@description('A user-assigned identity of this resource group, with the Storage roles that the host needs.')
param identityName string

@description('A Container Apps environment of this resource group.')
param environmentName string

@description('The storage account of the Functions host.')
param storageName string

param applianceUrl string = 'https://conjur.example.com'
param account string = 'acme'
param authenticator string = 'authn-azure/prod'
param login string = 'host/apps/web'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' existing = {
  name: environmentName
}

resource functions 'Microsoft.App/containerApps@2025-01-01' = {
  name: 'functions'
  location: location
  kind: 'functionapp'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    environmentId: environment.id
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: { external: true, targetPort: 80 }
      registries: [{ server: registry, identity: identity.id }]
    }
    template: {
      volumes: [
        { name: 'conjur-secrets', storageType: 'EmptyDir' }
        { name: 'conjur-status', storageType: 'EmptyDir' }
      ]
      containers: [
        {
          name: 'functions'
          image: '${registry}/functions:1'
          // What the base image of your language starts stands behind exec.
          command: ['sh', '-c', 'until [ -e /conjur/status/CONJUR_SECRETS_PROVIDED ]; do sleep 1; done; exec /opt/startup/start_nonappservice.sh']
          resources: { cpu: json('0.5'), memory: '1Gi' }
          env: [
            { name: 'AzureWebJobsStorage__accountName', value: storageName }
            { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
            { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
          ]
          volumeMounts: [
            { volumeName: 'conjur-secrets', mountPath: '/conjur/secrets' }
            { volumeName: 'conjur-status', mountPath: '/conjur/status' }
          ]
        }
        {
          name: 'conjur-agent'
          image: '${registry}/conjur-agent:0.1.0'
          command: ['conjur-agent', 'sidecar']
          resources: { cpu: json('0.25'), memory: '0.5Gi' }
          env: [
            { name: 'CONJUR_APPLIANCE_URL', value: applianceUrl }
            { name: 'CONJUR_ACCOUNT', value: account }
            { name: 'CONJUR_AUTHENTICATOR', value: authenticator }
            { name: 'CONJUR_AUTHN_LOGIN', value: login }
            { name: 'CONJUR_AUTHN_AZURE_CLIENT_ID', value: identity.properties.clientId }
            { name: 'CONJUR_REQUIRE_TMPFS', value: 'warn' }
            { name: 'CONJUR_SECRETS__DB', value: '- apps/web/db-password\n- apps/web/db-user' }
            { name: 'CONJUR_SECRET_FILE_FORMAT__DB', value: 'json' }
          ]
          volumeMounts: [
            { volumeName: 'conjur-secrets', mountPath: '/conjur/secrets' }
            { volumeName: 'conjur-status', mountPath: '/conjur/status' }
          ]
        }
      ]
    }
  }
}
