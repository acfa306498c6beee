import { judgeName, type KnownAnnotations } from './annotation-names.ts'
import { PREFIX, shown, type Notes } from './annotation-notes.ts'
import { readResources, readSizeLimit } from './resources.ts'
import { modes, type AgentResources, type InjectionSettings, type Mode } from './settings.ts'

/** Where the projected service-account token lies in the agent's container. */
const TOKEN_PATH = '/var/run/secrets/conjur.org/token'

/** What a pod asks for, understood. */
export interface InjectionRequest {
  readonly type: 'secrets-provider' | 'authenticator'
  /** exec: no container of the agent's own, only wrapped ones. */
  readonly mode: Mode | 'exec'
  readonly containerName: string
  /** What its sidecar does between passes. */
  readonly idle: 'stay' | 'hibernate'
  readonly image: string
  /** The containers that get the mounts; undefined: all of them. */
  readonly receivers: readonly string[] | undefined
  /** The containers whose command the agent runs itself. */
  readonly wrapped: readonly string[]
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
    [...own.keys()].filter(
      (name) =>
        !judgeName(
          name,
          { policy: settings.annotationPolicy, known: facts.known },
          { ...notes, warnings },
        ),
    ),
  )
  const opened = (name: string): string | undefined =>
    settings.annotationPolicy.allow.includes(name) ? text(name) : undefined

  const type = readType(notes)
  const wrapped = readList('exec-containers', notes) ?? []
  const named = readMode(settings.agent.mode, notes)
  const mode = wrapped.length > 0 && text('container-mode') === undefined ? 'exec' : named
  const groups = [...annotations.keys()].filter((name) => name.startsWith('conjur-secrets.'))
  if (type === 'authenticator' && groups[0] !== undefined) {
    refused(
      groups[0],
      'inject-type authenticator delivers the access token only; remove one of them',
    )
  }
  const accessToken = readSwitch('access-token', notes) ?? settings.agent.accessToken
  const wantsSecrets = groups.length > 0 || text('secrets-destination') === 'k8s_secrets'
  if (wrapped.length > 0 && groups.length === 0) {
    refused('exec-containers', `names no values; add ${PREFIX}conjur-secrets.<group>`)
  } else if (type === 'authenticator' && !accessToken) {
    refused('access-token', 'inject-type authenticator delivers nothing else')
  } else if (type === 'secrets-provider' && !wantsSecrets) {
    const wanted = `add ${PREFIX}conjur-secrets.<group> with a list of variables`
    if (accessToken) warnings.push(`only the access token is delivered; ${wanted}`)
    else refused('inject', `there is nothing to deliver; ${wanted}`)
  }
  const containerName = readContainerName(type, mode, notes)
  const idle = readIdle(mode, settings, notes)
  return {
    request: {
      type,
      mode,
      containerName,
      idle,
      image: opened('container-image') ?? imageFor(idle, settings),
      receivers: readReceivers(notes, warnings),
      wrapped,
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

/** A value that is neither is told by the agent's own reading. */
function readIdle(
  mode: InjectionRequest['mode'],
  { agent }: InjectionSettings,
  { text, refused }: Notes,
): InjectionRequest['idle'] {
  const asked = text('idle')?.toLowerCase() ?? agent.idle
  if (asked !== 'hibernate' || mode === 'init' || mode === 'exec') return 'stay'
  if (agent.hibernateImage === undefined) {
    const cure = 'the administrator names one in agent.hibernateImage of the chart'
    refused('idle', `hibernate needs an image with a shell: ${cure}; until then write stay`)
  }
  return 'hibernate'
}

function imageFor(idle: InjectionRequest['idle'], { agent, image }: InjectionSettings): string {
  return idle === 'hibernate' ? (agent.hibernateImage ?? image) : image
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
  mode: InjectionRequest['mode'],
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

function readReceivers(notes: Notes, warnings: string[]): readonly string[] | undefined {
  const current = readList('conjur-inject-volumes', notes)
  const old = readList('conjur-token-receivers', notes)
  if (current !== undefined && old !== undefined) {
    warnings.push(`${PREFIX}conjur-inject-volumes wins over ${PREFIX}conjur-token-receivers`)
  }
  return current ?? old
}

function readList(name: string, { text, refused }: Notes): readonly string[] | undefined {
  const value = text(name)
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
