// An application and the agent in one container group, with a user-assigned identity, or the group's own where none is named.
//   az deployment group create -g rg-web -f azure-container-instances.bicep -p registry=example.azurecr.io identityName=id-web
// Volume: emptyDir of a container group is on the host's disk, not in memory: requireTmpfs is warn. What must never be written
//   to a disk goes through `exec` in the application's image: azure-container-instances-exec.yaml.
// Start order: containers of a group start together; the application waits with its own shell for the agent's status file.
// End: restartPolicy Always, so the agent stays until the group is stopped. Never and OnFailure: the -job and -exec files.
param location string = resourceGroup().location

@description('Where both images are; the user-assigned identity needs AcrPull there.')
param registry string

@description('A user-assigned identity of this resource group; empty: the identity that Azure makes for the group.')
param identityName string = ''

param applianceUrl string = 'https://conjur.example.com'
param account string = 'acme'
param authenticator string = 'authn-azure/prod'
param login string = 'host/apps/web'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = if (identityName != '') {
  name: identityName
}

var settings = [
  { name: 'CONJUR_APPLIANCE_URL', value: applianceUrl }
  { name: 'CONJUR_ACCOUNT', value: account }
  { name: 'CONJUR_AUTHENTICATOR', value: authenticator }
  { name: 'CONJUR_AUTHN_LOGIN', value: login }
  { name: 'CONJUR_REQUIRE_TMPFS', value: 'warn' }
  { name: 'CONJUR_SECRETS__DB', value: '- apps/web/db-password\n- apps/web/db-user' }
  { name: 'CONJUR_SECRET_FILE_FORMAT__DB', value: 'json' }
]
var selector = identityName == '' ? [] : [{ name: 'CONJUR_AUTHN_AZURE_CLIENT_ID', value: identity.properties.clientId }]

resource group 'Microsoft.ContainerInstance/containerGroups@2023-05-01' = {
  name: 'web'
  location: location
  identity: identityName == '' ? { type: 'SystemAssigned' } : { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    osType: 'Linux'
    restartPolicy: 'Always'
    imageRegistryCredentials: identityName == '' ? [] : [{ server: registry, identity: identity.id }]
    volumes: [
      { name: 'conjur-secrets', emptyDir: {} }
      { name: 'conjur-token', emptyDir: {} }
      { name: 'conjur-status', emptyDir: {} }
    ]
    containers: [
      {
        name: 'web'
        properties: {
          image: '${registry}/web:1'
          command: ['sh', '-c', 'until [ -e /conjur/status/CONJUR_SECRETS_PROVIDED ]; do sleep 1; done; exec /app/web']
          resources: { requests: { cpu: 1, memoryInGB: 1 } }
          volumeMounts: [
            { name: 'conjur-secrets', mountPath: '/conjur/secrets', readOnly: true }
            { name: 'conjur-token', mountPath: '/run/conjur', readOnly: true }
            { name: 'conjur-status', mountPath: '/conjur/status', readOnly: true }
          ]
        }
      }
      {
        name: 'conjur-agent'
        properties: {
          image: '${registry}/conjur-agent:0.1.0'
          command: ['conjur-agent', 'sidecar']
          resources: { requests: { cpu: json('0.1'), memoryInGB: json('0.2') } }
          environmentVariables: concat(settings, selector)
          volumeMounts: [
            { name: 'conjur-secrets', mountPath: '/conjur/secrets' }
            { name: 'conjur-token', mountPath: '/run/conjur' }
            { name: 'conjur-status', mountPath: '/conjur/status' }
          ]
        }
      }
    ]
  }
}
