import { identitySources } from './identity-table.ts'
import { awsRegion, commandLine, issuer, localHost } from './identity-values.ts'
import { authenticatorName, login, pem } from './trust.ts'
import {
  absolutePath,
  apiVersion,
  authorityUrl,
  boolean,
  duration,
  httpsUrl,
  integer,
  interval,
  list,
  listenAddress,
  localUrl,
  oneOf,
  text,
  type Setting,
} from './setting.ts'

/** Keeps the exact type of a row while checking that it is one. */
function setting<T, const Row extends Setting<T>>(row: Row & Setting<T>): Row {
  return row
}

/**
 * Every setting of the agent, once: the source of environment names, annotations, config-file keys,
 * flags, defaults, help and docs/settings.md. Rows without `annotation` are trust settings: they say
 * whom a credential is shown to, so a pod cannot set them (P8).
 */
export const settings = {
  // Conjur
  applianceUrl: setting({
    env: 'CONJUR_APPLIANCE_URL',
    example: 'https://conjur.example.com',
    help: "Conjur's address, always https. CONJUR_AUTHN_URL alone gives it too.",
    parse: httpsUrl,
  }),
  account: setting({
    env: 'CONJUR_ACCOUNT',
    example: 'acme',
    help: "The account: Conjur's name for the organisation.",
    parse: text,
  }),
  authenticator: setting({
    env: 'CONJUR_AUTHENTICATOR',
    example: 'authn-jwt/prod',
    help: 'The authenticator and its service id.',
    parse: authenticatorName,
  }),
  authnUrl: setting({
    env: 'CONJUR_AUTHN_URL',
    example: 'https://conjur.example.com/authn-jwt/prod',
    help: 'Where to authenticate: appliance URL and authenticator in one.',
    parse: httpsUrl,
  }),
  sslCertificate: setting({
    env: 'CONJUR_SSL_CERTIFICATE',
    example: '-----BEGIN CERTIFICATE-----…',
    help: "The CA of Conjur's certificate as PEM text; it replaces the public roots.",
    parse: pem,
  }),
  certFile: setting({
    env: 'CONJUR_CERT_FILE',
    example: '/etc/conjur/ca.pem',
    help: 'The same from a file, read afresh for each connection. The PEM text wins over it.',
    parse: absolutePath,
  }),
  httpTimeout: setting({
    env: 'CONJUR_HTTP_TIMEOUT',
    default: '60',
    example: '10',
    help: 'Seconds that one request to Conjur may take.',
    parse: integer(1, 600),
  }),
  tokenTimeout: setting({
    env: 'CONJUR_TOKEN_TIMEOUT',
    example: '6m0s',
    help: 'Renew the access token at least this often; its own life decides otherwise.',
    parse: duration,
  }),
  // Identity
  authnLogin: setting({
    env: 'CONJUR_AUTHN_LOGIN',
    annotation: 'authn-identity',
    example: 'host/apps/web',
    help: 'The host to log in as. authn-jwt may read it from the token instead.',
    parse: login,
  }),
  identitySource: setting({
    env: 'CONJUR_IDENTITY_SOURCE',
    example: 'azure-imds',
    help: 'Where the platform token comes from; chosen by the authenticator where not set.',
    parse: oneOf(identitySources),
  }),
  jwtTokenPath: setting({
    env: 'JWT_TOKEN_PATH',
    annotation: 'jwt-token-path',
    default: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    example: '/var/run/secrets/tokens/conjur',
    help: 'The projected service-account token. The injector sets it; a pod it injects cannot.',
    parse: absolutePath,
  }),
  authnAzureClientId: setting({
    env: 'CONJUR_AUTHN_AZURE_CLIENT_ID',
    example: '7c7c7c7c-3333-4d4d-8e8e-000000000003',
    help: 'The user-assigned managed identity, by client id.',
    parse: text,
  }),
  authnAzureObjectId: setting({
    env: 'CONJUR_AUTHN_AZURE_OBJECT_ID',
    example: '9e9e9e9e-4444-4f4f-8a8a-000000000004',
    help: 'The user-assigned managed identity, by object id.',
    parse: text,
  }),
  authnAzureResourceId: setting({
    env: 'CONJUR_AUTHN_AZURE_RESOURCE_ID',
    example: '/subscriptions/…/userAssignedIdentities/id-web',
    help: 'The user-assigned managed identity, by resource id.',
    parse: text,
  }),
  authnAzureResource: setting({
    env: 'CONJUR_AUTHN_AZURE_RESOURCE',
    default: 'https://management.azure.com/',
    example: 'https://management.usgovcloudapi.net/',
    help: 'The resource the Azure token is asked for; it ends up in aud.',
    parse: text,
  }),
  authnAzureApiVersion: setting({
    env: 'CONJUR_AUTHN_AZURE_API_VERSION',
    default: '2018-02-01',
    example: '2021-02-01',
    help: 'The api-version of the metadata service, 2018-02-01 or later.',
    parse: apiVersion,
  }),
  identityTimeout: setting({
    env: 'CONJUR_IDENTITY_TIMEOUT',
    example: '90s',
    help: 'How long a platform that is not ready is asked again in one pass: 1m to 5m, as it needs.',
    parse: duration,
  }),
  azureFederatedTokenFile: setting({
    env: 'AZURE_FEDERATED_TOKEN_FILE',
    example: '/var/run/secrets/azure/wi/token/azure-identity-token',
    help: "Set by Azure's workload-identity webhook: the token that is exchanged at Entra.",
    parse: absolutePath,
  }),
  azureClientId: setting({
    env: 'AZURE_CLIENT_ID',
    example: '7c7c7c7c-3333-4d4d-8e8e-000000000003',
    help: 'The identity that a federated token stands for; elsewhere the user-assigned identity.',
    parse: text,
  }),
  azureTenantId: setting({
    env: 'AZURE_TENANT_ID',
    example: '0f1e2d3c-1111-4a4a-8b8b-000000000001',
    help: 'The Entra tenant where a federated token is exchanged.',
    parse: text,
  }),
  azureAuthorityHost: setting({
    env: 'AZURE_AUTHORITY_HOST',
    default: 'https://login.microsoftonline.com/',
    example: 'https://login.microsoftonline.us/',
    help: "Entra's address; the sovereign clouds have their own.",
    parse: authorityUrl,
  }),
  azurePodIdentityAuthorityHost: setting({
    env: 'AZURE_POD_IDENTITY_AUTHORITY_HOST',
    example: 'http://127.0.0.1:8080',
    help: 'Where the metadata service is instead; loopback and link-local hosts only.',
    parse: localUrl,
  }),
  oidcTokenFile: setting({
    env: 'CONJUR_OIDC_TOKEN_FILE',
    example: '/var/run/secrets/oidc/id-token',
    help: 'An ID token that something else writes, as a CI system does.',
    parse: absolutePath,
  }),
  oidcIssuer: setting({
    env: 'CONJUR_OIDC_ISSUER',
    example: 'https://idp.example.com/realms/acme',
    help: 'An OpenID provider as it calls itself, to the last slash; found by discovery.',
    parse: issuer,
  }),
  oidcClientId: setting({
    env: 'CONJUR_OIDC_CLIENT_ID',
    example: 'web',
    help: 'The client that this workload is at the OpenID provider.',
    parse: text,
  }),
  oidcAssertionFile: setting({
    env: 'CONJUR_OIDC_ASSERTION_FILE',
    example: '/var/run/secrets/tokens/idp',
    help: 'A platform token that the provider trusts instead of a secret; preferred.',
    parse: absolutePath,
  }),
  oidcClientSecretFile: setting({
    env: 'CONJUR_OIDC_CLIENT_SECRET_FILE',
    example: '/etc/idp/client-secret',
    help: "The client's secret, where the provider takes no assertion.",
    parse: absolutePath,
  }),
  oidcScope: setting({
    env: 'CONJUR_OIDC_SCOPE',
    default: 'openid',
    example: 'openid conjur',
    help: 'The scope that is asked for.',
    parse: text,
  }),
  oidcAudience: setting({
    env: 'CONJUR_OIDC_AUDIENCE',
    example: 'conjur',
    help: 'The audience that is asked for, where the provider knows that parameter.',
    parse: text,
  }),
  oidcTokenField: setting({
    env: 'CONJUR_OIDC_TOKEN_FIELD',
    default: 'id_token',
    example: 'access_token',
    help: 'Which token of the answer is shown to Conjur: id_token or access_token.',
    parse: oneOf(['id_token', 'access_token']),
  }),
  tokenAudience: setting({
    env: 'CONJUR_TOKEN_AUDIENCE',
    example: 'conjur',
    help: 'The audience of a token that is asked for: of the Kubernetes API, or of Google for authn-jwt.',
    parse: text,
  }),
  tokenExpiration: setting({
    env: 'CONJUR_TOKEN_EXPIRATION',
    default: '15m',
    example: '1h',
    help: 'How long a token of the Kubernetes API is to live; at least 10m.',
    parse: duration,
  }),
  gceMetadataHost: setting({
    env: 'GCE_METADATA_HOST',
    example: '127.0.0.1:8080',
    help: "Where Google's metadata server is instead; loopback and link-local hosts only.",
    parse: localHost,
  }),
  awsRegion: setting({
    env: 'CONJUR_AWS_REGION',
    example: 'eu-west-1',
    help: "The region of the STS endpoint that is signed for; else AWS_REGION, the instance's, us-east-1.",
    parse: awsRegion,
  }),
  authnApiKeyFile: setting({
    env: 'CONJUR_AUTHN_API_KEY_FILE',
    example: '/etc/conjur/api-key',
    help: "A host's API key, for places where no platform vouches for the workload.",
    parse: absolutePath,
  }),
  identityCommand: setting({
    env: 'CONJUR_IDENTITY_COMMAND',
    example: '["/opt/plugin","--audience","conjur"]',
    help: 'A program, or a JSON list with its arguments, that prints {"token": "…"}; no shell.',
    parse: commandLine,
  }),
  identityCommandTimeout: setting({
    env: 'CONJUR_IDENTITY_COMMAND_TIMEOUT',
    default: '30s',
    example: '5s',
    help: 'How long that program may take.',
    parse: duration,
  }),
  // What to fetch and where to put it
  containerMode: setting({
    env: 'CONTAINER_MODE',
    annotation: 'container-mode',
    example: 'sidecar',
    help: 'init ends after one pass; sidecar keeps everything fresh.',
    parse: oneOf(['init', 'application', 'sidecar', 'standalone']),
  }),
  secretsDestination: setting({
    env: 'SECRETS_DESTINATION',
    annotation: 'secrets-destination',
    example: 'file',
    help: 'file, or k8s_secrets for Kubernetes Secrets; file where a group exists.',
    parse: oneOf(['file', 'k8s_secrets']),
  }),
  authnTokenFile: setting({
    env: 'CONJUR_AUTHN_TOKEN_FILE',
    default: '/run/conjur/access-token',
    example: '/run/conjur/access-token',
    help: 'Where the access token is written. Named: it must be writable.',
    parse: absolutePath,
  }),
  tokenEncoding: setting({
    env: 'CONJUR_TOKEN_ENCODING',
    annotation: 'token-encoding',
    default: 'raw',
    example: 'base64',
    help: 'The access token file as Conjur issued it (raw JSON) or as base64.',
    parse: oneOf(['raw', 'base64']),
  }),
  formatCompatibility: setting({
    env: 'CONJUR_FORMAT_COMPATIBILITY',
    annotation: 'format-compatibility',
    default: 'safe',
    example: 'secrets-provider',
    help: "secrets-provider writes that program's exact bytes, its faults included.",
    parse: oneOf(['safe', 'secrets-provider']),
  }),
  publish: setting({
    env: 'CONJUR_PUBLISH',
    annotation: 'publish',
    default: 'set',
    example: 'each',
    help: 'set swaps all files at once; each renames one by one, for subPath mounts.',
    parse: oneOf(['set', 'each']),
  }),
  requireTmpfs: setting({
    env: 'CONJUR_REQUIRE_TMPFS',
    annotation: 'require-tmpfs',
    default: 'warn',
    example: 'true',
    help: 'Whether a secrets directory that is not in memory is refused (true) or named (warn).',
    parse: oneOf(['true', 'warn', 'false']),
  }),
  // When
  secretsRefreshEnabled: setting({
    env: 'CONJUR_SECRETS_REFRESH_ENABLED',
    annotation: 'secrets-refresh-enabled',
    example: 'false',
    help: 'false: values are read once, then only the access token is renewed.',
    parse: boolean,
  }),
  secretsRefreshInterval: setting({
    env: 'CONJUR_SECRETS_REFRESH_INTERVAL',
    annotation: 'secrets-refresh-interval',
    example: '5m',
    help: 'How often a sidecar reads the values again: 5m unless set, at least 1s, or off.',
    parse: interval,
  }),
  retryCountLimit: setting({
    env: 'RETRY_COUNT_LIMIT',
    annotation: 'retry-count-limit',
    default: '5',
    example: '10',
    help: 'How often init tries again when Conjur does not answer. -1: for ever.',
    parse: integer(-1, 1_000_000),
  }),
  retryIntervalSec: setting({
    env: 'RETRY_INTERVAL_SEC',
    annotation: 'retry-interval-sec',
    default: '1',
    example: '2',
    help: 'Seconds before the first retry; doubled each time, at most 30.',
    parse: integer(0, 3600),
  }),
  removeDeletedSecretsEnabled: setting({
    env: 'REMOVE_DELETED_SECRETS',
    annotation: 'remove-deleted-secrets-enabled',
    default: 'true',
    example: 'false',
    help: 'Whether a value that Conjur withdraws, said twice, leaves its file.',
    parse: boolean,
  }),
  idle: setting({
    env: 'CONJUR_IDLE',
    annotation: 'idle',
    default: 'stay',
    example: 'stay',
    help: 'stay keeps the process between passes.',
    parse: oneOf(['stay']),
  }),
  // What an operator sees
  logLevel: setting({
    env: 'LOG_LEVEL',
    annotation: 'log-level',
    default: 'info',
    example: 'debug',
    help: 'debug, info, warn or error.',
    parse: oneOf(['debug', 'info', 'warn', 'error']),
  }),
  debugLogging: setting({
    env: 'DEBUG',
    annotation: 'debug-logging',
    example: 'true',
    help: 'Deprecated: true is log level debug.',
    parse: boolean,
  }),
  statusListen: setting({
    env: 'CONJUR_STATUS_LISTEN',
    default: '127.0.0.1:8089',
    example: 'off',
    help: 'Where a sidecar serves /livez, /readyz, /metrics and /status; off: nowhere.',
    parse: listenAddress,
  }),
  // Directories
  annotationsFile: setting({
    env: 'CONJUR_ANNOTATIONS_FILE',
    default: '/conjur/podinfo/annotations',
    example: '/conjur/podinfo/annotations',
    help: "The pod's annotations as a downward API file; no file, no annotations.",
    parse: absolutePath,
  }),
  secretsDirectory: setting({
    env: 'CONJUR_SECRETS_DIRECTORY',
    default: '/conjur/secrets',
    example: '/conjur/secrets',
    help: 'Where the secret files go.',
    parse: absolutePath,
  }),
  templatesDirectory: setting({
    env: 'CONJUR_TEMPLATES_DIRECTORY',
    default: '/conjur/templates',
    example: '/conjur/templates',
    help: 'Where <group>.tpl is looked for.',
    parse: absolutePath,
  }),
  statusDirectory: setting({
    env: 'CONJUR_STATUS_DIRECTORY',
    default: '/conjur/status',
    example: '/conjur/status',
    help: 'Where the status document goes, if the directory exists.',
    parse: absolutePath,
  }),
  // Kubernetes
  k8sSecrets: setting({
    env: 'K8S_SECRETS',
    annotation: 'k8s-secrets',
    example: 'db-credentials,api-keys',
    help: 'The Kubernetes Secrets to fill.',
    parse: list,
  }),
  podName: setting({
    env: 'MY_POD_NAME',
    example: 'web-6f7c9',
    help: "The pod's own name, from the downward API.",
    parse: text,
  }),
  podNamespace: setting({
    env: 'MY_POD_NAMESPACE',
    example: 'shop',
    help: "The pod's own namespace, from the downward API.",
    parse: text,
  }),
  podUid: setting({
    env: 'MY_POD_UID',
    example: 'b2b2b2b2-0000-4000-8000-000000000002',
    help: "The pod's own uid, from the downward API: a token asked of the API is bound to it.",
    parse: text,
  }),
  podServiceAccount: setting({
    env: 'MY_POD_SERVICE_ACCOUNT',
    example: 'web',
    help: "The pod's service account, from the downward API: whose token is asked of the API.",
    parse: text,
  }),
}

/** The settings of one secret group, by their key under `groups.<group>` in a config file. */
export const groupSettings = {
  secrets: {
    env: 'CONJUR_SECRETS',
    annotation: 'conjur-secrets',
    help: 'YAML list of variables: `path/to/variable`, or `alias: path/to/variable`.',
    example: '- password: apps/web/db-password',
  },
  policyPath: {
    env: 'CONJUR_SECRETS_POLICY_PATH',
    annotation: 'conjur-secrets-policy-path',
    help: 'A prefix for all paths of the group.',
    example: 'apps/web',
  },
  path: {
    env: 'CONJUR_SECRET_FILE_PATH',
    annotation: 'secret-file-path',
    help: 'The file, relative to the secrets directory; <group>.<format> unless set.',
    example: 'db.json',
  },
  format: {
    env: 'CONJUR_SECRET_FILE_FORMAT',
    annotation: 'secret-file-format',
    help: 'yaml (default), json, dotenv, bash, properties, plain or template.',
    example: 'json',
  },
  permissions: {
    env: 'CONJUR_SECRET_FILE_PERMISSIONS',
    annotation: 'secret-file-permissions',
    help: "The file's permissions such as rw-r----- ; rw-r--r-- unless set.",
    example: 'rw-r-----',
  },
  template: {
    env: 'CONJUR_SECRET_FILE_TEMPLATE',
    annotation: 'secret-file-template',
    help: 'A Go template; needs format template.',
    example: '{{ secret "password" }}',
  },
} as const satisfies Record<
  string,
  { env: string; annotation: string; help: string; example: string }
>

export type GroupField = keyof typeof groupSettings

/** Keys under conjur.org/ that belong to the injector or to the incumbents and mean nothing to the agent itself. */
export const foreignAnnotations: readonly string[] = [
  'access-token',
  'agent-limits-cpu',
  'agent-limits-memory',
  'agent-requests-cpu',
  'agent-requests-memory',
  'conjur-inject-volumes',
  'conjur-token-receivers',
  'conjurAuthConfig',
  'conjurConnConfig',
  'container-image',
  'container-name',
  'inject',
  'inject-type',
  'jaeger-collector-url',
  'log-traces',
  'managed-by-provider',
  'namespace-allowlist',
  'secretless-CRD-suffix',
  'secretless-config',
  'secrets',
  'secrets-size-limit',
  'server-address',
  'status',
]
