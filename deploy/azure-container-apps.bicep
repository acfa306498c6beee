// An application and the agent in one container app, with a user-assigned identity.
//   az deployment group create -g rg-web -f azure-container-apps.bicep -p registry=example.azurecr.io identityName=id-web environmentName=env-web
// Volume: EmptyDir of a container app is on the replica's disk, not in memory: requireTmpfs is warn. What must never be written
//   to a disk goes through `exec` in the application's image: exec/Dockerfile.
// Start order: containers of a replica start together; the application waits with its own shell for the agent's status file.
// End: the agent stays as long as the replica. Container Apps jobs: `conjur-agent init` ends by itself, `exec` ends with the job.
param location string = resourceGroup().location

@description('Where both images are; the identity needs AcrPull there.')
param registry string

@description('A user-assigned identity of this resource group.')
param identityName string

@description('A Container Apps environment of this resource group.')
param environmentName string

param applianceUrl string = 'https://conjur.example.com'
param account string = 'acme'
param authenticator string = 'authn-azure/prod'
param login string = 'host/apps/web'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource environment 'Microsoft.App/managedEnvironments@2024-03-01' existing = {
  name: environmentName
}

resource web 'Microsoft.App/containerApps@2024-03-01' = {
  name: 'web'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    environmentId: environment.id
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: { external: true, targetPort: 8080 }
      registries: [{ server: registry, identity: identity.id }]
    }
    template: {
      scale: { minReplicas: 1, maxReplicas: 1 }
      volumes: [
        { name: 'conjur-secrets', storageType: 'EmptyDir' }
        { name: 'conjur-token', storageType: 'EmptyDir' }
        { name: 'conjur-status', storageType: 'EmptyDir' }
      ]
      containers: [
        {
          name: 'web'
          image: '${registry}/web:1'
          command: ['sh', '-c', 'until [ -e /conjur/status/CONJUR_SECRETS_PROVIDED ]; do sleep 1; done; exec /app/web']
          resources: { cpu: json('0.5'), memory: '1Gi' }
          volumeMounts: [
            { volumeName: 'conjur-secrets', mountPath: '/conjur/secrets' }
            { volumeName: 'conjur-token', mountPath: '/run/conjur' }
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
            { volumeName: 'conjur-token', mountPath: '/run/conjur' }
            { volumeName: 'conjur-status', mountPath: '/conjur/status' }
          ]
        }
      ]
    }
  }
}
