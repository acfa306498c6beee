import { stepIds } from '../core/doctor-steps.ts'

/** One flag of a command; without `value` it is a switch. */
export interface Flag {
  /** What stands for the value in help, such as FILE. */
  readonly value?: string
  readonly short?: string
  /** Every value it takes, where there are few; a shell completes them. */
  readonly choices?: readonly string[]
  readonly help: string
}

export interface Command {
  readonly summary: string
  readonly examples: readonly (readonly [line: string, what: string])[]
  readonly flags: Readonly<Record<string, Flag>>
  /** Whether every setting is a flag too, such as `--secrets-refresh-interval 30s`. */
  readonly settings?: boolean
  /** What stands for positional arguments in help; absent where a command takes none. */
  readonly positionals?: string
  /** Lines below the flags. */
  readonly notes?: readonly string[]
}

/** The flags that every command takes. */
export const everywhere = {
  config: { value: 'FILE', help: 'settings from a YAML or JSON file' },
  'log-level': {
    value: 'LEVEL',
    choices: ['debug', 'info', 'warn', 'error'],
    help: 'debug, info, warn or error',
  },
  color: { value: 'WHEN', choices: ['always', 'never', 'auto'], help: 'always, never or auto' },
  help: { short: 'h', help: 'what this command takes' },
} as const satisfies Record<string, Flag>

/** Every command of the program: the one source for parsing, help and completion. */
export const commands = {
  run: {
    summary: 'Fetches secrets as the container mode says: init unless set otherwise.',
    examples: [['conjur-agent', 'mode from CONTAINER_MODE or the annotation']],
    flags: {},
    settings: true,
  },
  init: {
    summary: 'Fetches every secret once and ends.',
    examples: [['conjur-agent init', 'exit 0 means that all are on the volume']],
    flags: {},
    settings: true,
  },
  sidecar: {
    summary: 'Fetches every secret and keeps them fresh until SIGTERM.',
    examples: [['conjur-agent sidecar --config agent.yaml', 'settings from a file']],
    flags: {},
    settings: true,
  },
  exec: {
    summary: 'Runs a program with the values in its environment and keeps them fresh.',
    examples: [
      ['conjur-agent exec -- /bin/app --port 80', 'DB_PASSWORD and so on are set'],
      ['conjur-agent exec --once -- ./migrate', 'for a Job: never started anew'],
    ],
    flags: {
      'on-change': {
        value: 'WHAT',
        help: 'restart (default), nothing, or a signal such as SIGHUP',
      },
      prefix: { value: 'TEXT', help: 'put before every name' },
      case: {
        value: 'CASE',
        choices: ['upper', 'keep'],
        help: 'upper (default): db-password is DB_PASSWORD; or keep',
      },
      once: { help: 'read the values once' },
    },
    settings: true,
    positionals: '-- COMMAND [ARG ...]',
  },
  inject: {
    summary: 'Adds the agent to manifests as the webhook would, or finds pods it missed.',
    examples: [
      ['conjur-agent inject -f web.yaml --image IMAGE', 'prints the patched manifest'],
      ['conjur-agent inject --audit', 'pods it missed; exit code 8 if any'],
    ],
    flags: {
      file: { value: 'FILE', short: 'f', help: 'manifests to patch; - for stdin' },
      namespace: { value: 'NAME', short: 'n', help: 'namespace of manifests that name none' },
      image: { value: 'IMAGE', help: 'image of the injected agent' },
      audit: { help: 'look at the pods of the cluster that KUBECONFIG names' },
      json: { help: 'one JSON document' },
    },
  },
  injector: {
    summary: 'Serves the mutating webhook that adds the agent to pods.',
    examples: [
      ['conjur-agent injector --image IMAGE --tls-cert FILE --tls-key FILE', ''],
      ['conjur-agent injector --config injector.yaml', 'as the Helm chart runs it'],
    ],
    flags: {
      listen: { value: 'HOST:PORT', help: 'where reviews are served (0.0.0.0:8443)' },
      'status-listen': {
        value: 'HOST:PORT',
        help: 'of /readyz, /livez and /metrics (0.0.0.0:8080)',
      },
      'tls-cert': {
        value: 'FILE',
        help: 'serving certificate chain, PEM; read anew on change',
      },
      'tls-key': { value: 'FILE', help: 'its key, PEM' },
      image: { value: 'IMAGE', help: 'image of the injected agent' },
    },
  },
  status: {
    summary: 'Shows what a running agent says of itself: outputs, ages, next pass, errors.',
    examples: [
      ['conjur-agent status', 'in the container of the agent'],
      ['conjur-agent status --watch', 'drawn again every second until q'],
    ],
    flags: {
      json: { help: 'the status document itself' },
      watch: { help: 'draw it again every second until q or Ctrl-C' },
      'status-directory': { value: 'DIR', help: 'where agent.json is (/conjur/status)' },
    },
  },
  healthcheck: {
    summary: 'For probes: 0 once everything is published and nothing is expired, else 1.',
    examples: [
      ['conjur-agent healthcheck', 'startup and readiness'],
      ['conjur-agent healthcheck --live', 'whether the loop turns'],
    ],
    flags: {
      live: { help: 'only whether the next pass is not overdue' },
      'status-directory': { value: 'DIR', help: 'where agent.json is (/conjur/status)' },
    },
  },
  'secrets-provided': {
    summary: 'Waits until everything is published; what conjur-secrets-provided.sh runs.',
    examples: [['conjur-agent secrets-provided', 'in a postStart hook']],
    flags: {},
    positionals: '[SCRIPT]',
  },
  'secrets-unchanged': {
    summary: 'Ends with 1 once after a change; what conjur-secrets-unchanged.sh runs.',
    examples: [['conjur-agent secrets-unchanged', 'in a liveness probe']],
    flags: {},
    positionals: '[SCRIPT]',
  },
  devserver: {
    summary: 'Plays a small Conjur on loopback over TLS, for development and tests.',
    examples: [['conjur-agent devserver --policy web.yml --explain', 'why is my login refused?']],
    flags: {
      policy: { value: 'FILES', help: 'loaded at start; comma-separated' },
      values: { value: 'FILE', help: 'YAML or JSON: variable id → value or {base64: …}' },
      account: { value: 'NAME', help: 'the account (dev)' },
      listen: { value: 'HOST:PORT', help: '(127.0.0.1:0, which is any free port)' },
      'admin-api-key': { value: 'KEY', help: 'of the user admin (random)' },
      'ca-out': { value: 'FILE', help: 'where to write the CA to trust' },
      authenticators: { value: 'LIST', help: 'those that are on (all in --policy)' },
      'token-ttl': { value: 'TIME', help: 'life of access tokens (480s)' },
      play: { value: 'LIST', help: 'dap, base=/api, unavailable:10s, outage, slow, …' },
      explain: { help: 'one plain sentence for every refusal' },
      audit: { help: 'audit records as JSON lines on stdout' },
      log: { value: 'FILE', help: 'the log with its CONJ… codes (stderr)' },
      state: { value: 'FILE', help: 'keeps everything between starts' },
      'allow-remote': { help: 'lets --listen name more than loopback' },
    },
    notes: [
      'Not done (501): authn-iam, authn-k8s, authn-ldap, OIDC code flow, v2 API,',
      'issuers, host factories, CA signing, accounts, reading policies back',
    ],
  },
  demo: {
    summary: 'Shows it all on this machine: devserver, simulated platforms, the agent.',
    examples: [
      ['conjur-agent demo', 'ends by itself in half a minute'],
      ['conjur-agent demo --keep', 'leaves everything running until Ctrl-C'],
    ],
    flags: {
      once: { help: 'plays every scene once and ends (default)' },
      keep: { help: 'starts everything, prints where it is, runs until Ctrl-C' },
    },
  },
  doctor: {
    summary: 'Checks everything between this workload and its secrets. Changes nothing.',
    examples: [
      ['conjur-agent doctor', 'every step; each failure with its cure'],
      ['conjur-agent doctor --until TLS', 'before Conjur knows this host'],
    ],
    flags: {
      until: {
        value: 'STEP',
        choices: stepIds,
        help: 'configuration, token, clock, name, TLS,\nauthenticator, login, variables, volume (default)',
      },
      short: { help: 'failures only' },
      json: { help: 'the document conjur-agent/doctor/v1' },
      connection: { value: 'NAME', help: 'one of connections in the config file instead' },
      timeout: { value: '10s', help: 'for each step; exit code: first failing family' },
      'conjur-token-file': {
        value: 'FILE',
        help: "an operator's access token: claim and annotation",
      },
    },
    settings: true,
  },
  policy: {
    summary: 'Prints the Conjur policy that lets this workload in, read off its token.',
    examples: [
      ['conjur-agent policy > web.yml', 'what comes next is told on stderr'],
      ['conjur-agent policy --check', 'what a server still lacks; exit code 8'],
    ],
    flags: {
      values: { help: 'the commands that set the variables instead' },
      check: { help: 'what the server lacks instead' },
      json: { help: 'with --check: conjur-agent/policy-check/v1' },
      output: { value: 'FILE', short: 'o', help: 'into FILE; into DIR/: one file a policy' },
      force: { help: 'overwrite what is there' },
      match: {
        value: 'WHAT',
        choices: ['service-account', 'namespace', 'subject', 'identity', 'resource-group'],
        help: 'service-account, namespace, subject, identity\nor resource-group; the narrowest unless given',
      },
      for: {
        value: 'TYPE',
        choices: ['azure', 'jwt', 'oidc', 'gcp', 'iam'],
        help: 'azure, jwt, oidc, gcp, iam: without a token',
      },
      answers: { value: 'LIST', help: 'for it: namespace=shop,service-account=web,…' },
      connection: { value: 'NAME', help: 'one of connections in the config file instead' },
      'token-file': { value: 'FILE', help: 'read this token instead' },
      jwks: { value: 'FILE', help: 'keys: kubectl get --raw /openid/v1/jwks' },
      'conjur-token-file': { value: 'FILE', help: "for --check: an operator's access token" },
    },
    settings: true,
  },
  rbac: {
    summary: 'Prints the least Kubernetes rights that this configuration needs.',
    examples: [['conjur-agent rbac | kubectl apply -f -', "in the pod's namespace"]],
    flags: {
      namespace: { value: 'NAME', help: "of the pod; the token's unless given" },
      'service-account': { value: 'NAME', help: "of the pod; the token's unless given" },
    },
    settings: true,
  },
  help: {
    summary: 'Shows what a command, a setting or an error code means.',
    examples: [['conjur-agent help exit-codes', 'the exit codes']],
    flags: {},
    positionals: '[TOPIC]',
  },
  completion: {
    summary: 'Prints what a shell needs to complete commands, flags and topics.',
    examples: [
      ['source <(conjur-agent completion bash)', 'or zsh: in .bashrc or .zshrc'],
      ['conjur-agent completion fish | source', 'in config.fish'],
    ],
    flags: {},
    positionals: 'bash | zsh | fish',
  },
  man: {
    summary: 'Prints the manual page.',
    examples: [['conjur-agent man | man -l -', 'reads it']],
    flags: {},
  },
  version: {
    summary: 'Prints the version.',
    examples: [['conjur-agent --version', '']],
    flags: {},
  },
} as const satisfies Record<string, Command>

export type CommandName = keyof typeof commands
