import type { V1EnvVar } from '@kubernetes/client-node'
import type { AgentConfig } from '../config/load.ts'
import { configError, missing, type Problem } from '../config/problems.ts'
import type { Invocation } from '../core/invocation.ts'
import { PREFIX } from './annotation-notes.ts'
import { readConjur } from './connection.ts'
import { literal } from './environment.ts'
import { parseQuantity } from './quantity.ts'
import type { InjectionSettings } from './settings.ts'
import { readSettingsFile, type SettingsFile } from './settings-file.ts'
import { readTraces } from './traces.ts'

/** Everything the injector was told, checked. */
export interface InjectorSettings {
  readonly injection: InjectionSettings
  readonly certificate: SettingsFile['certificate']
  readonly audit: { readonly enabled: boolean; readonly interval: number }
  /** Whether a refused pod's owner gets an Event. */
  readonly events: boolean
  /** The collector that the injector's own traces go to. */
  readonly traces: AgentConfig['traces'] | undefined
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
  const conjur = await readConjur({ environment, file, agent: agentEnvironment(file), problems })
  problems.push(...resourceProblems(file), ...certificateProblems(file), ...idleProblems(file))
  const traces = await readTraces(environment, problems)
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
        idle: agent.idle,
        hibernateImage: agent.hibernateImage === '' ? undefined : agent.hibernateImage,
        seccompProfile: agent.seccompProfile === '' ? undefined : agent.seccompProfile,
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
    traces,
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

/** The agent's settings that the administrator gives and a pod may override. */
function agentEnvironment({ agent }: SettingsFile): readonly V1EnvVar[] {
  return [
    literal('CONJUR_SECRETS_REFRESH_INTERVAL', agent.refreshInterval),
    literal('CONJUR_REQUIRE_TMPFS', agent.secretsVolume.requireTmpfs),
    ...(agent.idle === 'stay' ? [] : [literal('CONJUR_IDLE', agent.idle)]),
    ...(agent.logLevel === 'info' ? [] : [literal('LOG_LEVEL', agent.logLevel)]),
    ...agent.extraEnv,
  ]
}

/** What a self-made certificate needs to know: where it is kept, for whom, and who must trust it. */
function certificateProblems({ certificate }: SettingsFile): readonly Problem[] {
  if (certificate.mode !== 'self') return []
  return (['secretName', 'serviceName', 'webhookName'] as const)
    .filter((name) => certificate[name] === '')
    .map((name) => ({
      place: 'config file',
      name: `certificate.${name}`,
      what: 'is missing; certificate.mode self needs it',
    }))
}

/** An image without a shell cannot hibernate. */
function idleProblems({ agent }: SettingsFile): readonly Problem[] {
  const what = 'is missing; agent.idle hibernate needs the image whose tag ends in -hibernate'
  return agent.idle === 'hibernate' && agent.hibernateImage === ''
    ? [{ place: 'config file', name: 'agent.hibernateImage', what }]
    : []
}

function resourceProblems({ agent }: SettingsFile): readonly Problem[] {
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
