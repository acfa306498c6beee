/** One flag of a command; without `value` it is a switch. */
export interface Flag {
  /** What stands for the value in help, such as FILE. */
  readonly value?: string
  readonly short?: string
  readonly help: string
}

export interface Command {
  readonly summary: string
  readonly examples: readonly (readonly [line: string, what: string])[]
  readonly flags: Readonly<Record<string, Flag>>
  /** What stands for positional arguments in help; absent where a command takes none. */
  readonly positionals?: string
}

/** The flags that every command takes. */
export const everywhere = {
  config: { value: 'FILE', help: 'settings from a YAML or JSON file' },
  'log-level': { value: 'LEVEL', help: 'debug, info, warn or error' },
  color: { value: 'WHEN', help: 'always, never or auto' },
  help: { short: 'h', help: 'what this command takes' },
} as const satisfies Record<string, Flag>

/** A flag, since the annotation of the same name beats the environment: the injector has the last word. */
const tokenPath = {
  'jwt-token-path': { value: 'FILE', help: 'the projected service-account token' },
} as const satisfies Record<string, Flag>

/** Every command of the program: the one source for parsing, help and completion. */
export const commands = {
  run: {
    summary: 'Fetches secrets as the container mode says: init unless set otherwise.',
    examples: [['conjur-agent', 'mode from CONTAINER_MODE or the annotation']],
    flags: {},
  },
  init: {
    summary: 'Fetches every secret once and ends.',
    examples: [['conjur-agent init', 'exit 0 means that all are on the volume']],
    flags: tokenPath,
  },
  sidecar: {
    summary: 'Fetches every secret and keeps them fresh until SIGTERM.',
    examples: [['conjur-agent sidecar --config agent.yaml', 'settings from a file']],
    flags: tokenPath,
  },
  injector: {
    summary: 'Serves the mutating webhook that adds the agent to pods.',
    examples: [
      [
        'conjur-agent injector --image IMAGE --tls-cert FILE --tls-key FILE',
        'supplied certificate',
      ],
      ['conjur-agent injector --config injector.yaml', 'as the Helm chart runs it'],
    ],
    flags: {
      listen: { value: 'HOST:PORT', help: 'where reviews are served (0.0.0.0:8443)' },
      'status-listen': {
        value: 'HOST:PORT',
        help: 'where /readyz, /livez and /metrics are served (0.0.0.0:8080)',
      },
      'tls-cert': {
        value: 'FILE',
        help: 'serving certificate chain, PEM; reloaded when it changes',
      },
      'tls-key': { value: 'FILE', help: 'its key, PEM' },
      image: { value: 'IMAGE', help: 'image of the injected agent' },
    },
  },
  help: {
    summary: 'Shows what a command, a setting or an error code means.',
    examples: [['conjur-agent help exit-codes', 'the exit codes']],
    flags: {},
    positionals: '[TOPIC]',
  },
  version: {
    summary: 'Prints the version.',
    examples: [['conjur-agent --version', '']],
    flags: {},
  },
} as const satisfies Record<string, Command>

export type CommandName = keyof typeof commands
