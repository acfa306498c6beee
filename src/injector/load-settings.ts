import { readFile } from 'node:fs/promises'
import type { V1EnvVar } from '@kubernetes/client-node'
import * as v from 'valibot'
import { readConfig } from '../config/load.ts'
import { parseDuration } from '../config/duration.ts'
import { configError, missing, type Problem } from '../config/problems.ts'
import type { Invocation } from '../core/invocation.ts'
import { PREFIX, unfitQuantity } from './annotations.ts'
import { literal, referencesTo } from './containers.ts'
import { authenticatorName } from '../config/trust.ts'
import { Unfit } from '../config/setting.ts'
import { parseQuantity } from './quantity.ts'
import { modes, type ConjurSettings, type InjectionSettings } from './settings.ts'

const text = v.pipe(v.string(), v.trim())
const optionalText = v.optional(text, '')
const count = v.pipe(v.number(), v.integer(), v.minValue(1))
const quantity = (kind: 'cpu' | 'memory') =>
  v.pipe(
    v.union([v.string(), v.pipe(v.number(), v.transform(String))]),
    v.check(
      (value) => unfitQuantity(value, kind) === undefined,
      (issue) => `"${issue.input}" ${unfitQuantity(issue.input, kind) ?? ''}`,
    ),
  )
const interval = v.pipe(
  text,
  v.check((value) => parseDuration(value) !== undefined, 'is no duration such as 30s or 5m'),
  v.transform((value) => parseDuration(value) ?? 0),
)

/** The injector's config file: the chart's values of the same names, as they are. */
const FileSchema = v.strictObject({
  image: optionalText,
  imagePullPolicy: v.optional(v.picklist(['Always', 'IfNotPresent', 'Never']), 'IfNotPresent'),
  match: v.optional(v.picklist(['annotation', 'label']), 'annotation'),
  conjur: v.optional(
    v.strictObject({
      workloadIdentityAuthenticator: optionalText,
      loginTemplate: optionalText,
      namespaceConfigMap: optionalText,
    }),
    {},
  ),
  token: v.optional(
    v.strictObject({
      audience: optionalText,
      // The API server refuses a shorter life.
      expirationSeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(600)), 3600),
    }),
    {},
  ),
  agent: v.optional(
    v.strictObject({
      mode: v.optional(v.picklist(modes), 'sidecar'),
      containerStyle: v.optional(v.picklist(['native', 'classic']), 'native'),
      idle: v.optional(text, 'stay'),
      refreshInterval: v.optional(text, '5m'),
      logLevel: v.optional(text, 'info'),
      accessToken: v.optional(v.boolean(), true),
      secretsVolume: v.optional(
        v.strictObject({
          sizeLimit: v.optional(quantity('memory'), '16Mi'),
          requireTmpfs: v.optional(v.picklist(['true', 'warn', 'false']), 'true'),
        }),
        {},
      ),
      resources: v.optional(
        v.strictObject({
          requests: v.optional(
            v.strictObject({
              cpu: v.optional(quantity('cpu'), '10m'),
              memory: v.optional(quantity('memory'), '32Mi'),
            }),
            {},
          ),
          limits: v.optional(
            v.strictObject({
              cpu: v.optional(quantity('cpu')),
              memory: v.optional(quantity('memory'), '128Mi'),
            }),
            {},
          ),
        }),
        {},
      ),
      extraEnv: v.optional(v.array(v.looseObject({ name: v.string() })), []),
      metricsPort: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))),
    }),
    {},
  ),
  annotationPolicy: v.optional(
    v.strictObject({
      allow: v.optional(v.array(text), ['*']),
      deny: v.optional(v.array(text), []),
      unknown: v.optional(v.picklist(['deny', 'warn']), 'deny'),
      defaults: v.optional(v.record(v.string(), v.string()), {}),
    }),
    {},
  ),
  certificate: v.optional(
    v.strictObject({
      mode: v.optional(v.picklist(['supplied', 'self']), 'supplied'),
      secretName: optionalText,
      serviceName: optionalText,
      webhookName: optionalText,
      leafDays: v.optional(count, 90),
      caDays: v.optional(count, 1825),
    }),
    {},
  ),
  audit: v.optional(
    v.strictObject({
      enabled: v.optional(v.boolean(), false),
      interval: v.optional(interval, '5m'),
    }),
    {},
  ),
  events: v.optional(v.boolean(), false),
})

type File = v.InferOutput<typeof FileSchema>

/** Everything the injector was told, checked. */
export interface InjectorSettings {
  readonly injection: InjectionSettings
  readonly certificate: File['certificate']
  readonly audit: { readonly enabled: boolean; readonly interval: number }
  /** Whether a refused pod's owner gets an Event. */
  readonly events: boolean
}

/**
 * Reads flags, environment and config file (`--config`). Throws one ConfigError that lists every
 * problem. The environment holds the trust settings; the file what else the administrator decides.
 */
export async function loadSettings(invocation: Invocation): Promise<InjectorSettings> {
  const problems: Problem[] = []
  const file = await readSettingsFile(invocation.flags['config'], problems)
  const environment = withConfigMapNames(invocation.environment)
  const image = flag(invocation, 'image') ?? (file.image === '' ? undefined : file.image)
  if (image === undefined) problems.push(missing('--image', "the agent's own image"))
  const conjur = await readConjur({ environment, file, problems })
  problems.push(...resourceProblems(file), ...certificateProblems(file))
  if (problems.length > 0 || conjur === undefined || image === undefined)
    throw configError(problems)
  const { agent, annotationPolicy: policy, token } = file
  const named = environment['CONJUR_TOKEN_AUDIENCE']?.trim() ?? ''
  const audience = named === '' ? (token.audience === '' ? 'conjur' : token.audience) : named
  return {
    injection: {
      image,
      imagePullPolicy: file.imagePullPolicy,
      ownNamespace: environment['MY_POD_NAMESPACE'],
      match: file.match,
      conjur,
      token: { audience, expirationSeconds: token.expirationSeconds },
      agent: {
        mode: agent.mode,
        containerStyle: agent.containerStyle,
        accessToken: agent.accessToken,
        secretsSizeLimit: agent.secretsVolume.sizeLimit,
        resources: {
          requests: agent.resources.requests,
          limits: {
            memory: agent.resources.limits.memory,
            ...(agent.resources.limits.cpu === undefined
              ? {}
              : { cpu: agent.resources.limits.cpu }),
          },
        },
        environment: agentEnvironment(file),
        metricsPort: agent.metricsPort,
      },
      annotationPolicy: {
        ...policy,
        allow: policy.allow.map(bare),
        deny: policy.deny.map(bare),
        defaults: Object.fromEntries(
          Object.entries(policy.defaults).map(([name, value]) => [bare(name), value]),
        ),
      },
    },
    certificate: file.certificate,
    audit: file.audit,
    events: file.events,
  }
}

function flag({ flags }: Invocation, name: string): string | undefined {
  const value = flags[name]
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}

/** An annotation's name as policies hold it: without the prefix, which may be typed or not. */
function bare(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name
}

async function readSettingsFile(
  path: string | boolean | undefined,
  problems: Problem[],
): Promise<File> {
  const empty = v.parse(FileSchema, {})
  if (typeof path !== 'string') return empty
  const value = await parseFile(path, problems)
  const result = v.safeParse(FileSchema, value ?? {})
  if (result.success) return result.output
  for (const issue of result.issues) {
    const name = v.getDotPath(issue) ?? path
    const what = issue.message.startsWith('Invalid key')
      ? 'unknown'
      : issue.message.replace(/^Invalid \w+: Expected/, 'expected')
    problems.push({ place: 'config file', name, what })
  }
  return empty
}

async function parseFile(path: string, problems: Problem[]): Promise<unknown> {
  const { parseDocument } = await import('yaml')
  let source: string
  try {
    source = await readFile(path, 'utf8')
  } catch {
    problems.push({ place: 'command line', name: '--config', what: `${path} cannot be read` })
    return undefined
  }
  const document = parseDocument(source, { prettyErrors: false })
  const [error] = document.errors
  if (error === undefined) return document.toJS({ maxAliasCount: 0 })
  problems.push({
    place: 'command line',
    name: '--config',
    what: `${path} is no YAML: ${error.code}`,
  })
  return undefined
}

/** Where an existing ConfigMap is handed over whole, the "golden" one has names of its own. */
function withConfigMapNames(environment: Invocation['environment']): Invocation['environment'] {
  const golden = {
    CONJUR_APPLIANCE_URL: environment['conjurApplianceUrl'],
    CONJUR_ACCOUNT: environment['conjurAccount'],
    CONJUR_SSL_CERTIFICATE: environment['conjurSslCertificate'],
  }
  const given = Object.fromEntries(
    Object.entries(golden).filter(([, value]) => value !== undefined && value !== ''),
  )
  const own = Object.entries(environment).filter(([, value]) => (value ?? '').trim() !== '')
  return { ...given, ...Object.fromEntries(own) }
}

const CONNECTION = [
  'CONJUR_APPLIANCE_URL',
  'CONJUR_ACCOUNT',
  'CONJUR_AUTHN_URL',
  'CONJUR_AUTHENTICATOR',
  'CONJUR_SSL_CERTIFICATE',
] as const

interface ConjurContext {
  readonly environment: Invocation['environment']
  readonly file: File
  readonly problems: Problem[]
}

/** The connection settings, checked as an agent would check them. */
async function readConjur({
  environment,
  file,
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
  const settled = { ...stand, ...Object.fromEntries(given), ...plain(agentEnvironment(file)) }
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
              applianceUrl: known ? checked.conjur.applianceUrl : undefined,
            }),
          },
    loginTemplate: loginTemplate === '' ? undefined : loginTemplate,
  }
}

/** The same connection with another authenticator. */
function withAuthenticator(
  authenticator: string,
  { common, applianceUrl }: { common: readonly V1EnvVar[]; applianceUrl: URL | undefined },
): readonly V1EnvVar[] {
  const kept = common.filter(
    ({ name }) => name !== 'CONJUR_AUTHN_URL' && name !== 'CONJUR_AUTHENTICATOR',
  )
  const named = kept.some(({ name }) => name === 'CONJUR_APPLIANCE_URL')
  return [
    ...(named || applianceUrl === undefined
      ? []
      : [literal('CONJUR_APPLIANCE_URL', applianceUrl.href)]),
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

/** The agent's settings that the administrator gives and a pod may override. */
function agentEnvironment({ agent }: File): readonly V1EnvVar[] {
  return [
    literal('CONJUR_SECRETS_REFRESH_INTERVAL', agent.refreshInterval),
    literal('CONJUR_REQUIRE_TMPFS', agent.secretsVolume.requireTmpfs),
    ...(agent.idle === 'stay' ? [] : [literal('CONJUR_IDLE', agent.idle)]),
    ...(agent.logLevel === 'info' ? [] : [literal('LOG_LEVEL', agent.logLevel)]),
    ...agent.extraEnv,
  ]
}

/** What a self-made certificate needs to know: where it is kept, for whom, and who must trust it. */
function certificateProblems({ certificate }: File): readonly Problem[] {
  if (certificate.mode !== 'self') return []
  return (['secretName', 'serviceName', 'webhookName'] as const)
    .filter((name) => certificate[name] === '')
    .map((name) => ({
      place: 'config file',
      name: `certificate.${name}`,
      what: 'is missing; certificate.mode self needs it',
    }))
}

function templateProblems(template: string): readonly Problem[] {
  const place = { place: 'config file', name: 'conjur.loginTemplate' }
  const unknown = [...template.matchAll(/\{(\w*)\}/g)]
    .flatMap(([whole, name]) => (name === 'namespace' || name === 'serviceAccount' ? [] : [whole]))
    .map((whole) => ({ ...place, what: `${whole} is neither {namespace} nor {serviceAccount}` }))
  if (template === '' || template.startsWith('host/')) return unknown
  return [...unknown, { ...place, what: 'does not start with host/' }]
}

function resourceProblems({ agent }: File): readonly Problem[] {
  return (['cpu', 'memory'] as const).flatMap((kind) => {
    const request = agent.resources.requests[kind]
    const limit = agent.resources.limits[kind]
    if (limit === undefined || (parseQuantity(request) ?? 0) <= (parseQuantity(limit) ?? 0)) {
      return []
    }
    const name = `agent.resources.requests.${kind}`
    return [{ place: 'config file', name, what: `${request} is above the limit ${limit}` }]
  })
}
