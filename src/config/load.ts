import { relative } from 'node:path'
import { filesOf, readGroups, type SecretGroup, type Templates } from './groups.ts'
import { configError, missing, problemOf, type Note, type Problem } from './problems.ts'
import { reader, type Take } from './reader.ts'
import { settings } from './settings.ts'
import { gather, type Given, type Raw, type Sources } from './sources.ts'
import { distantStrangers, refuseUnknownFlags, strangers } from './strangers.ts'
import type { AuthenticatorName } from './trust.ts'
import { readConjur, type Conjur } from './connection.ts'
import { readConnections, type Connection } from './connections.ts'
import { readIdle } from './idle.ts'
import { readIdentity, type IdentityConfig } from './identity.ts'
import { readTraces, type TracesConfig } from './traces.ts'

/** One Conjur: where it is, whom to trust there, as whom to log in. Times are milliseconds. */
export interface ConjurConfig {
  /** Where values are read. */
  readonly applianceUrl: URL
  /** The same Conjur elsewhere, in order of preference, for when that address is away. */
  readonly followers: readonly URL[]
  /** Where logins go; the same unless CONJUR_AUTHN_URL names another server. */
  readonly authnBaseUrl: URL
  readonly authnFollowers: readonly URL[]
  readonly account: string
  readonly authenticator: AuthenticatorName
  readonly login: string | undefined
  /** PEM text, or a file to read at each connection; neither: the public roots. */
  readonly ca: { readonly pem: string } | { readonly file: string } | undefined
  /** The proxy of the environment, and what is reached without it. */
  readonly proxy: { readonly proxy: URL | undefined; readonly except: readonly string[] }
  readonly timeoutMs: number
  readonly renewAfterMs: number | undefined
}

type Listen = { readonly host: string; readonly port: number } | 'off'

/** Everything the agent was told, checked and frozen. Times are milliseconds. */
export interface AgentConfig {
  readonly mode: 'init' | 'application' | 'sidecar' | 'standalone'
  readonly conjur: ConjurConfig
  readonly identity: IdentityConfig
  /** Further servers or accounts that groups name. */
  readonly connections: readonly Connection[]
  readonly groups: readonly SecretGroup[]
  /** Instead of files: the Secrets to fill, in these namespaces; no names: those with the label. */
  readonly kubernetesSecrets?: {
    readonly names: readonly string[]
    readonly namespaces: readonly string[]
  }
  /** Replicas of a standalone agent: one at a time works, by the Lease in this namespace. */
  readonly replica?: { readonly namespace: string; readonly name: string }
  readonly secretsDirectory: string
  readonly publish: 'set' | 'each'
  readonly requireTmpfs: 'true' | 'warn' | 'false'
  readonly formatCompatibility: 'safe' | 'secrets-provider'
  readonly accessTokenFile: {
    readonly path: string
    readonly encoding: 'raw' | 'base64'
    /** The default path is left out where it cannot be written; a path that was asked for is not. */
    readonly whereUnwritable: 'refuse' | 'leave-out'
  }
  /** Undefined: values are read once. */
  readonly refreshIntervalMs: number | undefined
  /** Whether Conjur is asked when values end, so that they are read before that. */
  readonly refreshBeforeExpiry: boolean
  readonly reloadIntervalMs: number
  readonly retry: { readonly countLimit: number; readonly intervalMs: number }
  readonly removeDeleted: boolean
  /** What a sidecar does between passes. */
  readonly idle: 'stay' | 'hibernate'
  readonly statusDirectory: string
  readonly statusListen: Listen
  readonly metricsListen: Listen
  /** The collector that traces go to, if there is one. */
  readonly traces?: TracesConfig
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** What the log says once about this configuration. */
  readonly notes: readonly Note[]
  /** How many settings came from where, for a report's first line. */
  readonly counts: Readonly<Record<Raw['from'], number>>
}

/** What was given to the process, and the mode its sub-command asks for, which beats every setting. */
export interface LoadInput extends Given {
  readonly mode?: AgentConfig['mode'] | undefined
  readonly templateExists?: Templates['exists']
  /** What an output finds wrong with a group, beyond its form. */
  readonly checkGroup?: (group: SecretGroup) => readonly string[]
  /** Why this process could not hibernate, where it was asked to; undefined if it could. */
  readonly unfitToHibernate?: () => string | undefined
}

/**
 * Reads a whole configuration.
 *
 * Throws a UsageError for a flag that does not exist, else one ConfigError that lists every problem (P6), each with the name and place the user
 * typed; nothing has been sent by then.
 */
export async function loadConfig(input: LoadInput): Promise<AgentConfig> {
  const { config, problems } = await readConfig(input)
  if (config === undefined) throw configError(problems)
  return config
}

/** A configuration of which Conjur's address, account or authenticator may not be known. */
export type PartialConfig = Omit<AgentConfig, 'conjur' | 'notes'> & { readonly conjur: Conjur }

/** A configuration, or undefined where something is wrong with it, and everything worth saying about it. */
export interface ReadConfig {
  readonly config: AgentConfig | undefined
  /** What can be said in spite of the problems; what is wrong stands at its default. */
  readonly partial: PartialConfig
  readonly problems: readonly Problem[]
  readonly notes: readonly Note[]
}

/** Reads a whole configuration without refusing it: what an agent given this would say at its start. */
export async function readConfig(input: LoadInput): Promise<ReadConfig> {
  const found = gather(input)
  refuseUnknownFlags(found)
  const problems: Problem[] = [...strangers(found)]
  const notes: Note[] = [...distantStrangers(found)]
  const take = reader(found, { problems, notes })

  const logLevel = take(settings.logLevel)
  const debug = take(settings.debugLogging)
  if (debug === true)
    notes.push({ level: 'warn', text: 'DEBUG is deprecated; write LOG_LEVEL=debug' })
  const conjur = readConjur(take, { found, problems })
  const identity = readIdentity(take, {
    ...conjur,
    environment: input.environment,
    exists: input.templateExists ?? (() => false),
    found,
    problems,
    notes,
  })
  const secretsDirectory = take(settings.secretsDirectory)
  const read = await readGroups(found.groups, {
    directory: take(settings.templatesDirectory),
    exists: input.templateExists ?? (() => false),
  })
  problems.push(...read.problems)
  notes.push(...read.notes)
  for (const group of read.groups) {
    const [raw] = found.groups.get(group.name)?.get('secrets') ?? []
    if (raw === undefined) continue
    problems.push(...(input.checkGroup?.(group) ?? []).map((what) => problemOf(raw, what)))
  }
  const connections = readConnections(found, {
    groups: read.groups,
    environment: input.environment,
    exists: input.templateExists ?? (() => false),
    problems,
    notes,
  })
  const asked = input.mode ?? take(settings.containerMode)
  const kubernetesSecrets = readKubernetesSecrets(take, { mode: asked, found, problems, notes })
  const hasValues = read.groups.length > 0 || kubernetesSecrets !== undefined
  const mode = asked ?? (hasValues ? 'init' : 'sidecar')
  const replica = mode === 'standalone' ? readReplica(take, problems) : undefined
  const unfit = input.unfitToHibernate ?? (() => undefined)
  const idle = readIdle(take, { mode, found, problems, notes, unfit })
  take(settings.annotationsFile)
  const tokenPath = take(settings.authnTokenFile)
  problems.push(...coveredToken(tokenPath, { found, groups: read.groups, secretsDirectory }))
  const refresh = readRefresh(take, { mode, found, problems })
  const config = {
    mode,
    connections,
    groups: read.groups,
    ...(kubernetesSecrets === undefined ? {} : { kubernetesSecrets }),
    ...(replica === undefined ? {} : { replica }),
    secretsDirectory,
    publish: take(settings.publish),
    requireTmpfs: take(settings.requireTmpfs),
    formatCompatibility: take(settings.formatCompatibility),
    accessTokenFile: {
      path: tokenPath,
      whereUnwritable:
        found.settings.has('authnTokenFile') || !hasValues
          ? ('refuse' as const)
          : ('leave-out' as const),
      encoding: take(settings.tokenEncoding),
    },
    refreshIntervalMs: refresh,
    refreshBeforeExpiry: take(settings.refreshBeforeExpiry) && refresh !== undefined,
    reloadIntervalMs: take(settings.reloadInterval),
    retry: {
      countLimit: take(settings.retryCountLimit),
      intervalMs: take(settings.retryIntervalSec) * 1000,
    },
    removeDeleted: take(settings.removeDeletedSecretsEnabled),
    idle,
    statusDirectory: take(settings.statusDirectory),
    statusListen: take(settings.statusListen),
    metricsListen: take(settings.metricsListen),
    ...readTraces(take),
    logLevel: debug === true ? ('debug' as const) : logLevel,
    counts: countOrigins(found),
  }
  const partial = { ...config, conjur, identity }
  const { applianceUrl, authnBaseUrl, account, authenticator } = conjur
  if (
    problems.length > 0 ||
    applianceUrl === undefined ||
    authnBaseUrl === undefined ||
    account === undefined ||
    authenticator === undefined
  ) {
    return { config: undefined, partial, problems, notes }
  }
  const whole = Object.freeze({
    ...config,
    conjur: { ...conjur, applianceUrl, authnBaseUrl, account, authenticator },
    identity,
    notes,
  })
  return { config: whole, partial, problems, notes }
}

interface SecretsContext {
  readonly mode: AgentConfig['mode'] | undefined
  readonly found: Sources
  readonly problems: Problem[]
  readonly notes: Note[]
}

/** The Kubernetes Secrets to fill; undefined where values go to files. What then has no effect is noted. */
function readKubernetesSecrets(
  take: Take,
  { mode, found, problems, notes }: SecretsContext,
): AgentConfig['kubernetesSecrets'] {
  const names = take(settings.k8sSecrets)
  const namespace = take(settings.podNamespace)
  const allowed = take(settings.namespaceAllowlist)
  const destination = take(settings.secretsDestination)
  if (mode === 'standalone') {
    if (!found.settings.has('namespaceAllowlist')) {
      const what = 'is needed in standalone mode: the namespaces whose Secrets are filled'
      problems.push(missing('NAMESPACE_ALLOWLIST', what))
    }
    return { names: names ?? [], namespaces: allowed ?? [] }
  }
  const [namesRaw] = found.settings.get('k8sSecrets') ?? []
  if (destination !== 'k8s_secrets') {
    if (namesRaw !== undefined) {
      const text = `${namesRaw.name} has no effect without SECRETS_DESTINATION=k8s_secrets`
      notes.push({ level: 'warn', text })
    }
    return undefined
  }
  const groups = [...found.groups.keys()]
  if (groups.length > 0) {
    const text = `no file is written for ${groups.join(', ')}: SECRETS_DESTINATION is k8s_secrets`
    notes.push({ level: 'warn', text })
  }
  if (namespace !== undefined) return { names: names ?? [], namespaces: [namespace] }
  problems.push(
    missing('MY_POD_NAMESPACE', 'is needed to fill Secrets; set it by fieldRef metadata.namespace'),
  )
  return undefined
}

/** Who this replica is among those that share the work of a standalone agent. */
function readReplica(take: Take, problems: Problem[]): AgentConfig['replica'] {
  const namespace = take(settings.podNamespace)
  const name = take(settings.podName)
  if (namespace === undefined) {
    const what = 'is needed for the Lease between replicas; set it by fieldRef metadata.namespace'
    problems.push(missing('MY_POD_NAMESPACE', what))
  }
  if (name === undefined) {
    const what = 'is needed for the Lease between replicas; set it by fieldRef metadata.name'
    problems.push(missing('MY_POD_NAME', what))
  }
  return namespace === undefined || name === undefined ? undefined : { namespace, name }
}

interface TokenContext {
  readonly found: Sources
  readonly groups: readonly SecretGroup[]
  readonly secretsDirectory: string
}

/** The access token and the file of a group cannot have one path. */
function coveredToken(
  path: string,
  { found, groups, secretsDirectory }: TokenContext,
): readonly Problem[] {
  const [raw] = found.settings.get('authnTokenFile') ?? []
  const inside = relative(secretsDirectory, path)
  const taken = groups.find((group) => filesOf(group).includes(inside))
  return raw === undefined || taken === undefined
    ? []
    : [problemOf(raw, `is the file of group ${taken.name}; give one of them another path`)]
}

interface RefreshContext {
  readonly mode: AgentConfig['mode']
  readonly found: Sources
  readonly problems: Problem[]
}

const DEFAULT_REFRESH_MS = 300_000

/** A sidecar refreshes unless told not to; a pass that ends has no interval, whatever the pod says. */
function readRefresh(take: Take, { mode, found, problems }: RefreshContext): number | undefined {
  const enabled = take(settings.secretsRefreshEnabled)
  const interval = take(settings.secretsRefreshInterval)
  const [contradiction] = found.settings.get('secretsRefreshInterval') ?? []
  if (enabled === false && typeof interval === 'number' && contradiction !== undefined) {
    problems.push(problemOf(contradiction, 'is set although refreshing is switched off'))
  }
  if (mode === 'init' || mode === 'application') return undefined
  if (enabled === false || interval === 'off') return undefined
  return interval ?? DEFAULT_REFRESH_MS
}

function countOrigins(found: Sources): AgentConfig['counts'] {
  const strongest = [
    ...[...found.settings.values()].map(([raw]) => raw),
    ...[...found.groups.values()].flatMap((fields) => [...fields.values()].map(([raw]) => raw)),
  ]
  const count = (from: Raw['from']): number => strongest.filter((raw) => raw?.from === from).length
  return {
    flag: count('flag'),
    annotation: count('annotation'),
    environment: count('environment'),
    file: count('file'),
  }
}
