import { createMeasures } from '../src/agent/measures.ts'
import { emptyMemory } from '../src/agent/memory.ts'
import { commands, everywhere, type Command, type Flag } from '../src/cli/commands.ts'
import { exitCodes } from '../src/cli/report.ts'
import { spellings } from '../src/config/help.ts'
import { Secret } from '../src/core/secret.ts'
import { createInjectorMetrics } from '../src/injector/metrics.ts'

/** Reference pages that are nothing but tables of the code, by file name. */
export function referencePages(): Readonly<Record<string, string>> {
  return {
    'commands.md': commandsPage(),
    'exit-codes.md': exitCodesPage(),
    'annotations.md': annotationsPage(),
    'metrics.md': metricsPage(),
    'log-events.md': logEventsPage(),
  }
}

function commandsPage(): string {
  const sections = Object.entries<Command>(commands).map(([name, { summary, examples, flags }]) => {
    const rows = Object.entries<Flag>(flags).map(([flag, about]) => flagRow(flag, about))
    const table = rows.length === 0 ? '' : `\n\n| flag | |\n|---|---|\n${rows.join('\n')}`
    const shown = examples.map(([typed, why]) => `- \`${typed}\`${why === '' ? '' : `: ${why}`}`)
    return `## ${name}\n\n${cell(summary)}\n\n${shown.join('\n')}${table}`
  })
  return `# Commands

*Reference, for whoever types them.* \`conjur-agent COMMAND --help\` says the same on one screen; \`conjur-agent help TOPIC\` takes a command, an error
code, a setting or \`exit-codes\`. Commands that read settings take each of them as a flag too ([settings.md](settings.md)). What ends how:
[exit-codes.md](exit-codes.md).

Everywhere:

| flag | |
|---|---|
${Object.entries<Flag>(everywhere)
  .map(([name, flag]) => flagRow(name, flag))
  .join('\n')}

${sections.join('\n\n')}
`
}

function flagRow(name: string, { value, short, help }: Flag): string {
  const spelt = `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
  return `| \`${spelt}\` | ${cell(help)} |`
}

function exitCodesPage(): string {
  return `# Exit codes

*Reference, for scripts and for who reads a pod's status.* The same on a terminal: \`conjur-agent help exit-codes\`.

| code | means |
|---|---|
${exitCodes.map(([code, meaning]) => `| ${code} | ${cell(meaning)} |`).join('\n')}

\`exec\` ends with the code of its child. \`healthcheck\` knows 0 and 1 alone. What runs until it is told to end (\`sidecar\`, \`standalone\`,
\`injector\`, \`devserver\`, \`demo\`) ends with 0 when it is. A code other than 0 comes with two lines, \`CODE: message\` and \`hint: …\`: [errors.md](errors.md).
`
}

function annotationsPage(): string {
  const rows = spellings().flatMap(({ annotation, row }) =>
    annotation === undefined
      ? []
      : [`| \`${annotation}\` | \`${inCode(row.example)}\` | ${cell(row.help)} |`],
  )
  return `# Annotations

*Reference, for who writes a pod template.* What the agent reads from a pod's annotations, each with an example; \`<group>\` is the name of a
secret group. What the injector alone reads (\`conjur.org/inject\`, the mode, names, mounts, resources, and the old injector's names) is in
[injector.md](injector.md). Trust settings have no annotation ([trust.md](trust.md)). A name that is not known is told, with the nearest that is.

| annotation | such as | |
|---|---|---|
${rows.join('\n')}
`
}

function metricsPage(): string {
  return `# Metrics

*Reference, for who builds dashboards and alerts.* In Prometheus' text format: the agent's on its status port (loopback) and, where
\`CONJUR_METRICS_LISTEN\` opens one, on a port that serves nothing else; the injector's on its status port. Instants are seconds since 1970, ages
are PromQL's work. No label holds an id of a variable or a login. How to have them scraped: [monitor.md](monitor.md).

| metric | type | labels | |
|---|---|---|---|
${[...described(agentMetrics()), ...described(injectorMetrics())].join('\n')}
`
}

/** What an agent's metrics are once everything has happened: a series shows its labels. */
function agentMetrics(): string {
  const measures = createMeasures({ version: '', mode: '' })
  const token = { secret: new Secret(''), lifetimeMs: 1, login: '' }
  const held = { token, received: { now: 0, monotonic: 0 } }
  measures.passed(
    {
      memory: { ...emptyMemory, held },
      loggedIn: true,
      outcomes: new Map(),
      published: [{ name: 'a', kind: 'json', values: 1, state: 'written' }],
      error: undefined,
      outputErrors: [],
    },
    { refreshIntervalMs: 1, now: 0, expiresAt: 0 },
  )
  measures.requested({ operation: '', status: '', seconds: 0 })
  return measures.text()
}

/** The same of an injector. */
function injectorMetrics(): string {
  const metrics = createInjectorMetrics()
  metrics.reviewed({ outcome: 'injected', reason: 'sidecar', seconds: 0 })
  metrics.certificateExpires('leaf', 0)
  metrics.leads(true)
  metrics.missed(new Map([['a', 1]]))
  return metrics.text()
}

function described(text: string): readonly string[] {
  const families = text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\w+)\n(\S+)/gm)
  return [...families].map(([, name = '', help = '', type = '', sample = '']) => {
    const labels = [...sample.matchAll(/[{,](\w+)=/g)].map(([, label = '']) => label)
    const told = labels.filter((label) => label !== 'le').join(', ')
    return `| \`${name}\` | ${type} | ${told} | ${cell(help)} |`
  })
}

/** Every code of a log line that is no error's, with its levels and what to do. */
export const LOG_EVENTS: Readonly<Record<string, readonly [level: string, meaning: string]>> = {
  AUDIT_FAILED: [
    'warn',
    'injector: the look for pods that were missed could not be finished; it is tried again',
  ],
  CERTIFICATE_SERVED: ['info', 'injector: another serving certificate is used from now on'],
  CERTIFICATE_STEP: ['info', 'injector: a step of making or rotating its certificate'],
  CERTIFICATE_TROUBLE: [
    'warn',
    'injector: its certificate cannot be looked after; what was served goes on. [Runbook](runbooks/conjur-injector-certificate-expiring.md)',
  ],
  CERTIFICATE_UNREADABLE: [
    'debug',
    'injector: the supplied certificate is being replaced; the old one is served meanwhile',
  ],
  CHILD_TOLD: ['info', '`exec` told or restarted its program, because values changed'],
  CONFIG_NOTE: [
    'info, warn; debug after a sleep',
    'something about the settings worth knowing: which of two won, what has no effect, what is deprecated',
  ],
  EVENT_FAILED: [
    'warn',
    'injector: no Event could be written on the owner of a pod; the pod is treated the same',
  ],
  INJECTED: ['info', 'injector: a pod got the agent'],
  LEASE: ['info', 'a standalone replica leads, follows, or cannot reach the Lease'],
  LOGGED_IN: ['info, debug', 'an access token came; the first is told at info'],
  NOT_INJECTED: ['debug', 'injector: a pod was left alone, and the reason'],
  OUTPUT_KEPT: [
    'warn',
    'a file stays as it was, since not every value was to be had; the errors beside it say why',
  ],
  OUTPUT_NOTE: [
    'warn',
    'something about a file to be heard once, such as a value that is not the base64 it was said to be',
  ],
  OUTPUT_WAITING: [
    'warn',
    'a file was never written, because a required value is missing; `conjur-agent doctor` says which',
  ],
  POD_MISSED: [
    'warn',
    'injector: an opted-in pod runs without the agent. [Runbook](runbooks/conjur-injector-missed-pods.md)',
  ],
  PUBLISHED: ['info', 'files were written or removed; unchanged ones are not named'],
  RELOAD: [
    'info, warn',
    'an application was told of a change (`done`), was not there (`absent`), or could not be told (`failed`)',
  ],
  REVIEW_FAILED: ['error', 'injector: a defect of ours in one review; the API server gets a 500'],
  SERVER_SWITCHED: [
    'info, warn',
    'another of several servers is asked from now on, or the first one again',
  ],
  SERVING: ['info', 'injector: reviews are served, and where'],
  STARTED: [
    'info; debug after a sleep',
    'the agent starts: mode, server, authenticator, login, source of the platform token and why that one',
  ],
  STATUS_DOCUMENT: ['debug', 'the status document could not be written; nothing else suffers'],
  STATUS_FILES: [
    'debug',
    "the incumbent's status files could not be written; nothing else suffers",
  ],
  STATUS_PORT: [
    'warn',
    'a status or metrics port could not be opened; the status document goes on. Free it, or set CONJUR_STATUS_LISTEN',
  ],
  STOPPED: ['info', 'the agent ends because it was told to; the last set stays'],
  TOKEN_FILE_LEFT_OUT: [
    'info',
    'there is no place for the access token file, and none was asked for',
  ],
  TOKEN_NOT_TAKEN: [
    'info, debug',
    'the access token that was found is not used, and why; the agent logs in',
  ],
  TOKEN_REFUSED: [
    'info',
    'Conjur no longer takes the access token; the agent logs in anew in the same pass',
  ],
  TOKEN_TAKEN_OVER: [
    'info; debug after a sleep',
    'the access token of the init container, or of an earlier process, goes on being used',
  ],
  TRACES_FAILED: ['warn', 'the collector does not take traces; told once until it does again'],
  WATCH_FAILED: ['warn', 'files or Secrets are not watched; the timer goes on'],
  WATCH_FORBIDDEN: [
    'info',
    'Secrets may not be watched; a changed map waits for the timer. `conjur-agent rbac` prints the right',
  ],
}

function logEventsPage(): string {
  return `# Log events

*Reference, for who searches logs.* Each line is one JSON object (\`level\`, \`time\`, \`code\`, \`msg\` and facts) unless stderr is a terminal. Lines of an
error carry its code, from [errors.md](errors.md); these are the others. A quiet pass writes nothing at level info.

| code | level | means |
|---|---|---|
${Object.entries(LOG_EVENTS)
  .map(([code, [level, meaning]]) => `| \`${code}\` | ${level} | ${cell(meaning)} |`)
  .join('\n')}
`
}

function cell(text: string): string {
  // A site takes what stands in braces for attributes.
  return inCode(text).replaceAll('<', '&lt;').replaceAll('{', '&#123;').replaceAll('}', '&#125;')
}

function inCode(text: string): string {
  return text.replaceAll('\n', ' ').replaceAll('|', '\\|')
}
