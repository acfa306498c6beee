import { nearest } from '../core/nearest.ts'
import { parseQuantity } from './quantity.ts'
import {
  CEILING,
  modes,
  type AgentResources,
  type InjectionSettings,
  type Mode,
} from './settings.ts'

/** The prefix of every annotation that is ours. */
export const PREFIX = 'conjur.org/'

/** Where the projected service-account token lies in the agent's container. */
export const TOKEN_PATH = '/var/run/secrets/conjur.org/token'

/** What a pod asks for, understood. */
export interface InjectionRequest {
  readonly type: 'secrets-provider' | 'authenticator'
  readonly mode: Mode
  readonly containerName: string
  readonly image: string
  /** The containers that get the mounts; undefined: all of them. */
  readonly receivers: readonly string[] | undefined
  /** Whether the application's containers see the access token. */
  readonly accessToken: boolean
  readonly login: { readonly value: string } | { readonly configMap: string } | undefined
  /** A ConfigMap of the pod's namespace instead of the administrator's connection settings. */
  readonly connectionConfigMap: string | undefined
  /** Where the agent finds the projected token. */
  readonly tokenPath: string
  readonly resources: AgentResources
  readonly secretsSizeLimit: string
}

/** What stands in a pod beside its annotations and matters here. */
export interface PodFacts {
  readonly namespace: string
  readonly serviceAccount: string
  /** The authenticator this pod will use; undefined where only its namespace's ConfigMap knows. */
  readonly authenticator: string | undefined
  readonly settings: InjectionSettings
  /** Every annotation name we know, without `conjur.org/`; those of a group without `.<group>`. */
  readonly known: KnownAnnotations
}

export interface KnownAnnotations {
  readonly names: ReadonlySet<string>
  readonly groupFields: ReadonlySet<string>
}

/** A request and everything worth saying about it; it counts only if there are no problems. */
export interface ReadAnnotations {
  readonly request: InjectionRequest
  /** The administrator's defaults for annotations on which the pod is silent. */
  readonly defaults: ReadonlyMap<string, string>
  /** Annotations that the agent will not look at, or about which all is said here. */
  readonly unused: ReadonlySet<string>
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/** The annotations that would redirect a credential: ignored unless the administrator's policy names them in full. */
const trusted: readonly string[] = ['container-image', 'conjurConnConfig', 'jwt-token-path']

/** Whether an opt-in value means yes, no, or nothing we know. */
export function optIn(value: string): boolean | undefined {
  if (/^\s*(true|yes|on|y)\s*$/i.test(value)) return true
  if (/^\s*(false|no|off|n)\s*$/i.test(value)) return false
  return undefined
}

/** Reads a pod's annotations, given without `conjur.org/`. Every problem is found, not the first. */
export function readAnnotations(
  own: ReadonlyMap<string, string>,
  facts: PodFacts,
): ReadAnnotations {
  const { settings } = facts
  const defaults = new Map(
    Object.entries(settings.annotationPolicy.defaults).filter(([name]) => !own.has(name)),
  )
  const annotations = new Map([...defaults, ...own])
  const problems: string[] = []
  const warnings: string[] = []
  const refused = (name: string, what: string): void => {
    problems.push(`${PREFIX}${name}: ${what}`)
  }
  const ignored = (name: string, why: string): void => {
    warnings.push(`${PREFIX}${name} is ignored: ${why}`)
  }
  const text = (name: string): string | undefined => {
    const value = annotations.get(name)?.trim()
    return value === '' ? undefined : value
  }
  const notes = { text, refused, ignored }

  const unused = new Set(
    [...own.keys()].filter((name) => !judgeName(name, facts, { ...notes, warnings })),
  )
  const opened = (name: string): string | undefined =>
    settings.annotationPolicy.allow.includes(name) ? text(name) : undefined

  const type = readType(notes)
  const mode = readMode(settings.agent.mode, notes)
  const groups = [...annotations.keys()].filter((name) => name.startsWith('conjur-secrets.'))
  if (type === 'authenticator' && groups[0] !== undefined) {
    refused(
      groups[0],
      'inject-type authenticator delivers the access token only; remove one of them',
    )
  }
  const accessToken = readSwitch('access-token', notes) ?? settings.agent.accessToken
  const wantsSecrets = groups.length > 0 || text('secrets-destination') === 'k8s_secrets'
  if (type === 'authenticator' && !accessToken) {
    refused('access-token', 'inject-type authenticator delivers nothing else')
  } else if (type === 'secrets-provider' && !wantsSecrets) {
    const wanted = `add ${PREFIX}conjur-secrets.<group> with a list of variables`
    if (accessToken) warnings.push(`only the access token is delivered; ${wanted}`)
    else refused('inject', `there is nothing to deliver; ${wanted}`)
  }
  const containerName = readContainerName(type, mode, notes)
  return {
    request: {
      type,
      mode,
      containerName,
      image: opened('container-image') ?? settings.image,
      receivers: readReceivers(notes, warnings),
      accessToken,
      login: readLogin(facts, notes),
      connectionConfigMap: readConfigMapName('conjurConnConfig', opened('conjurConnConfig'), notes),
      tokenPath: opened('jwt-token-path') ?? TOKEN_PATH,
      resources: readResources(settings.agent.resources, notes),
      secretsSizeLimit: readSizeLimit(settings.agent.secretsSizeLimit, notes),
    },
    defaults,
    unused,
    problems,
    warnings,
  }
}

interface Notes {
  readonly text: (name: string) => string | undefined
  readonly refused: (name: string, what: string) => void
  readonly ignored: (name: string, why: string) => void
}

/** Whether an annotation counts: the administrator lets applications set it, and there is such a one. */
function judgeName(
  name: string,
  { settings, known }: PodFacts,
  { refused, ignored, warnings }: Notes & { readonly warnings: string[] },
): boolean {
  if (name === 'inject' || name === 'status') return true
  const { allow, deny, unknown } = settings.annotationPolicy
  const matches = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => matchesGlob(pattern, name))
  if (trusted.includes(name) && !allow.includes(name)) {
    ignored(name, 'the administrator decides that')
    return false
  }
  if (matches(deny) || !matches(allow)) {
    refused(name, "the administrator's annotation policy does not allow it")
    return false
  }
  if (!isKnown(name, known)) {
    const guess = nearestName(name, known)
    const what = `unknown annotation${guess === undefined ? '' : `; nearest: ${PREFIX}${guess}`}`
    if (unknown === 'warn') warnings.push(`${PREFIX}${name}: ${what}`)
    else refused(name, what)
    return false
  }
  if (name === 'secretless-config' || name === 'secretless-CRD-suffix') {
    ignored(name, 'Secretless is not part of this program')
  } else if (name === 'conjur-token-receivers') {
    warnings.push(`${PREFIX}${name} is an old name; write ${PREFIX}conjur-inject-volumes`)
  }
  return true
}

/** Whether an annotation has a meaning to us; of a group's the part before the dot counts. */
export function isKnown(name: string, { names, groupFields }: KnownAnnotations): boolean {
  const dot = name.indexOf('.')
  if (dot === -1) return names.has(name)
  return groupFields.has(name.slice(0, dot)) && dot < name.length - 1
}

/** The known annotation that a misspelt one probably means, with its group. */
export function nearestName(
  name: string,
  { names, groupFields }: KnownAnnotations,
): string | undefined {
  const dot = name.indexOf('.')
  const whole = nearest(name, names)
  if (whole !== undefined) return whole
  const field = dot === -1 ? name : name.slice(0, dot)
  const guess = groupFields.has(field) ? field : nearest(field, groupFields)
  if (guess === undefined) return undefined
  return `${guess}${dot === -1 || dot === name.length - 1 ? '.<group>' : name.slice(dot)}`
}

function matchesGlob(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === name
  const last = rest.at(-1) ?? ''
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  let from = first.length
  for (const part of rest.slice(0, -1)) {
    const at = name.indexOf(part, from)
    if (at === -1) return false
    from = at + part.length
  }
  return from <= name.length - last.length
}

const types = ['secrets-provider', 'authenticator'] as const

function readType({ text, refused }: Notes): InjectionRequest['type'] {
  const value = text('inject-type')?.toLowerCase()
  const type = types.find((candidate) => candidate === value)
  if (type !== undefined || value === undefined) return type ?? 'secrets-provider'
  const what =
    value === 'secretless'
      ? 'secretless is not part of this program'
      : `"${shown(value)}" is not one of ${types.join(', ')}`
  refused('inject-type', what)
  return 'secrets-provider'
}

function readMode(usual: Mode, { text, refused }: Notes): Mode {
  const value = text('container-mode')?.toLowerCase()
  if (value === undefined) return usual
  const mode = modes.find((candidate) => candidate === value)
  if (mode !== undefined) return mode
  const why =
    value === 'standalone'
      ? 'runs by itself and is not injected'
      : value === 'application'
        ? 'is a container of its own and is not injected'
        : 'is unknown'
  refused('container-mode', `"${shown(value)}" ${why}; write ${modes.join(', ')}`)
  return usual
}

function readSwitch(name: string, { text, refused }: Notes): boolean | undefined {
  const value = text(name)
  if (value === undefined) return undefined
  const read = optIn(value)
  if (read === undefined) refused(name, `"${shown(value)}" is neither true nor false`)
  return read
}

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

function readContainerName(
  type: InjectionRequest['type'],
  mode: Mode,
  { text, refused }: Notes,
): string {
  // The sidecar injector's own default, which is part of an authn-k8s identity.
  const usual = type === 'authenticator' ? 'authenticator' : 'conjur-agent'
  const name = text('container-name')
  if (name === undefined) return usual
  const longest = mode === 'both' ? 63 - '-init'.length : 63
  if (DNS_LABEL.test(name) && name.length <= longest) return name
  const what = `"${shown(name)}" is no container name: at most ${longest} of a-z, 0-9 and -`
  refused('container-name', what)
  return usual
}

function readReceivers(
  { text, refused }: Notes,
  warnings: string[],
): readonly string[] | undefined {
  const current = text('conjur-inject-volumes')
  const old = text('conjur-token-receivers')
  if (current !== undefined && old !== undefined && current !== old) {
    warnings.push(`${PREFIX}conjur-inject-volumes wins over ${PREFIX}conjur-token-receivers`)
  }
  const name = current === undefined ? 'conjur-token-receivers' : 'conjur-inject-volumes'
  const value = current ?? old
  if (value === undefined) return undefined
  const names = value.split(',').map((part) => part.trim())
  if (names.includes('')) refused(name, `"${shown(value)}" has an empty name in its list`)
  return [...new Set(names.filter((part) => part !== ''))]
}

function readLogin(facts: PodFacts, notes: Notes): InjectionRequest['login'] {
  const { text, refused } = notes
  const { settings, authenticator, namespace, serviceAccount } = facts
  const named = text('authn-identity')
  if (named !== undefined) return { value: named }
  const configMap = readConfigMapName('conjurAuthConfig', text('conjurAuthConfig'), notes)
  if (configMap !== undefined) return { configMap }
  const template = settings.conjur.loginTemplate
  if (template !== undefined) {
    return {
      value: template
        .replaceAll('{namespace}', namespace)
        .replaceAll('{serviceAccount}', serviceAccount),
    }
  }
  if (authenticator !== undefined && !/^authn-(jwt|oidc)\//.test(authenticator)) {
    refused('authn-identity', `${authenticator} needs it: write host/<path of the host in Conjur>`)
  }
  return undefined
}

function readConfigMapName(
  name: string,
  value: string | undefined,
  { refused }: Notes,
): string | undefined {
  if (value === undefined) return undefined
  if (!DNS_SUBDOMAIN.test(value) || value.length > 253) {
    refused(name, `"${shown(value)}" is no name of a ConfigMap`)
  }
  return value
}

function readResources(usual: AgentResources, notes: Notes): AgentResources {
  const read = (name: string, kind: 'cpu' | 'memory'): string | undefined => {
    const value = notes.text(name)
    if (value === undefined) return undefined
    const why = unfitQuantity(value, kind)
    if (why !== undefined) notes.refused(name, `"${shown(value)}" ${why}`)
    return why === undefined ? value : undefined
  }
  const cpu = read('agent-limits-cpu', 'cpu') ?? usual.limits.cpu
  const resources = {
    requests: {
      cpu: read('agent-requests-cpu', 'cpu') ?? usual.requests.cpu,
      memory: read('agent-requests-memory', 'memory') ?? usual.requests.memory,
    },
    limits: {
      ...(cpu === undefined ? {} : { cpu }),
      memory: read('agent-limits-memory', 'memory') ?? usual.limits.memory,
    },
  }
  for (const kind of ['cpu', 'memory'] as const) {
    const limit = resources.limits[kind]
    const request = resources.requests[kind]
    if (limit !== undefined && (parseQuantity(request) ?? 0) > (parseQuantity(limit) ?? 0)) {
      const what = `the request ${request} is above the limit ${limit}`
      notes.refused(
        notes.text(`agent-requests-${kind}`) ? `agent-requests-${kind}` : `agent-limits-${kind}`,
        what,
      )
    }
  }
  return resources
}

/** Why a quantity cannot be a request or limit of the agent: the end of a sentence that begins with it. */
export function unfitQuantity(value: string, kind: 'cpu' | 'memory'): string | undefined {
  const amount = parseQuantity(value)
  const most = kind === 'cpu' ? '500m' : '256Mi'
  if (amount === undefined) return `is no quantity such as ${most}`
  return amount > CEILING[kind] ? `is above ${most}, the most an agent may have` : undefined
}

function readSizeLimit(usual: string, { text, refused }: Notes): string {
  const value = text('secrets-size-limit')
  if (value === undefined) return usual
  const why = unfitQuantity(value, 'memory')
  if (why !== undefined) refused('secrets-size-limit', `"${shown(value)}" ${why}`)
  return why === undefined ? value : usual
}

/** A text that somebody typed, as a message quotes it: one line, not too long. */
function shown(text: string): string {
  const line = text.replaceAll(/\p{Cc}+/gu, ' ')
  return line.length > 60 ? `${line.slice(0, 57)}…` : line
}
