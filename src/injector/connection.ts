import type { V1EnvVar } from '@kubernetes/client-node'
import { readConfig } from '../config/load.ts'
import type { Problem } from '../config/problems.ts'
import { Unfit } from '../config/setting.ts'
import { authenticatorName } from '../config/trust.ts'
import type { Invocation } from '../core/invocation.ts'
import { literal, referencesTo } from './environment.ts'
import type { ConjurSettings } from './settings.ts'
import type { SettingsFile } from './settings-file.ts'

const CONNECTION = [
  'CONJUR_APPLIANCE_URL',
  'CONJUR_ACCOUNT',
  'CONJUR_AUTHN_URL',
  'CONJUR_AUTHENTICATOR',
  'CONJUR_SSL_CERTIFICATE',
] as const

interface ConjurContext {
  readonly environment: Invocation['environment']
  readonly file: SettingsFile
  /** What every agent gets beside its connection. */
  readonly agent: readonly V1EnvVar[]
  readonly problems: Problem[]
}

/** The connection settings, checked as an agent would check them. */
export async function readConjur({
  environment,
  file,
  agent,
  problems,
}: ConjurContext): Promise<ConjurSettings | undefined> {
  const { namespaceConfigMap, workloadIdentityAuthenticator, loginTemplate } = file.conjur
  problems.push(
    ...templateProblems(loginTemplate),
    ...authenticatorProblems('conjur.workloadIdentityAuthenticator', workloadIdentityAuthenticator),
  )
  const given = CONNECTION.flatMap((name) => {
    const value = environment[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  const ca = environment['CONJUR_SSL_CERTIFICATE']
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----')) {
    const what = 'holds no PEM certificate (-----BEGIN CERTIFICATE-----)'
    problems.push({ place: 'environment', name: 'CONJUR_SSL_CERTIFICATE', what })
  }
  const literals = given.map(([name, value]) => literal(name, value))
  const references =
    namespaceConfigMap === ''
      ? []
      : referencesTo(namespaceConfigMap).filter(({ name }) =>
          given.every(([present]) => present !== name),
        )
  const stand = namespaceConfigMap === '' ? {} : FROM_CONFIG_MAP
  const settled = { ...stand, ...Object.fromEntries(given), ...plain(agent) }
  const checked = await checkConnection(settled)
  problems.push(...checked.problems)
  if (checked.conjur === undefined) return undefined
  const known = given.some(
    ([name]) => name === 'CONJUR_AUTHENTICATOR' || name === 'CONJUR_AUTHN_URL',
  )
  const { type, serviceId } = checked.conjur.authenticator
  const common = [...literals, ...references]
  return {
    environment: common,
    authenticator: known ? `${type}/${serviceId ?? ''}` : undefined,
    workloadIdentity:
      workloadIdentityAuthenticator === ''
        ? undefined
        : {
            authenticator: workloadIdentityAuthenticator,
            environment: withAuthenticator(workloadIdentityAuthenticator, {
              common,
              // CONJUR_AUTHN_URL goes, and may have been all that named the appliance.
              servers: known ? [checked.conjur.applianceUrl, ...checked.conjur.followers] : [],
            }),
          },
    loginTemplate: loginTemplate === '' ? undefined : loginTemplate,
  }
}

/** The same connection with another authenticator. */
function withAuthenticator(
  authenticator: string,
  { common, servers }: { common: readonly V1EnvVar[]; servers: readonly URL[] },
): readonly V1EnvVar[] {
  const kept = common.filter(
    ({ name }) => name !== 'CONJUR_AUTHN_URL' && name !== 'CONJUR_AUTHENTICATOR',
  )
  const named = kept.some(({ name }) => name === 'CONJUR_APPLIANCE_URL')
  return [
    ...(named || servers.length === 0
      ? []
      : [literal('CONJUR_APPLIANCE_URL', servers.map(({ href }) => href).join(','))]),
    ...kept,
    literal('CONJUR_AUTHENTICATOR', authenticator),
  ]
}

function authenticatorProblems(name: string, typed: string): readonly Problem[] {
  const read = typed === '' ? undefined : authenticatorName(typed)
  if (!(read instanceof Unfit)) return []
  return [{ place: 'config file', name, what: `"${typed}" ${read.reason}` }]
}

/** What an agent would find wrong with the connection; the CA's form and the login are others' affair. */
async function checkConnection(environment: Readonly<Record<string, string>>) {
  const { CONJUR_SSL_CERTIFICATE: _, ...rest } = environment
  const { config, problems } = await readConfig({
    mode: 'sidecar',
    flags: {},
    annotations: undefined,
    file: undefined,
    environment: { CONJUR_AUTHN_LOGIN: 'host/any', ...rest },
  })
  return { conjur: config?.conjur, problems }
}

const FROM_CONFIG_MAP = {
  CONJUR_APPLIANCE_URL: 'https://conjur.invalid',
  CONJUR_ACCOUNT: 'from-the-cluster',
  CONJUR_AUTHENTICATOR: 'authn-jwt/from-the-cluster',
} as const

function plain(variables: readonly V1EnvVar[]): Record<string, string> {
  return Object.fromEntries(
    variables.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
  )
}

function templateProblems(template: string): readonly Problem[] {
  const place = { place: 'config file', name: 'conjur.loginTemplate' }
  const unknown = [...template.matchAll(/\{(\w*)\}/g)]
    .flatMap(([whole, name]) => (name === 'namespace' || name === 'serviceAccount' ? [] : [whole]))
    .map((whole) => ({ ...place, what: `${whole} is neither {namespace} nor {serviceAccount}` }))
  if (template === '' || template.startsWith('host/')) return unknown
  return [...unknown, { ...place, what: 'does not start with host/' }]
}
