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
  'command',
] as const

export type IdentitySourceName = (typeof identitySources)[number]

const JWT_SOURCES = identitySources.filter((name) => name !== 'aws' && name !== 'api-key-file')

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
  authn: ['api-key-file', 'command'],
}
