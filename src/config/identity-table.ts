import type { AuthenticatorType } from './trust.ts'

/** Every place a credential can come from, as `identitySource` names it. */
export const identitySources = [
  'projected-token',
  'token-request',
  'azure-imds',
  'azure-app-service',
  'azure-arc',
  'azure-workload-identity',
  'oidc-token-file',
  'oidc-client-credentials',
  'gcp-metadata',
  'aws',
  'api-key-file',
  'k8s-certificate',
  'command',
] as const

export type IdentitySourceName = (typeof identitySources)[number]

const OTHERS: readonly string[] = ['aws', 'api-key-file', 'k8s-certificate']
const JWT_SOURCES = identitySources.filter((name) => !OTHERS.includes(name))

/**
 * What each authenticator can be shown. authn-jwt and authn-oidc take any platform's JWT; a file or a
 * command may hold a token of Azure or Google that something else fetched.
 */
export const sourcesOf: Readonly<Record<AuthenticatorType, readonly IdentitySourceName[]>> = {
  'authn-jwt': JWT_SOURCES,
  'authn-oidc': JWT_SOURCES,
  'authn-azure': [
    'azure-imds',
    'azure-app-service',
    'azure-arc',
    'azure-workload-identity',
    'projected-token',
    'command',
  ],
  'authn-gcp': ['gcp-metadata', 'projected-token', 'command'],
  'authn-iam': ['aws'],
  'authn-k8s': ['k8s-certificate'],
  authn: ['api-key-file', 'command'],
}
