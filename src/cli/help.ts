import { UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { columns } from '../core/layout.ts'
import { nearest } from '../core/nearest.ts'
import { VERSION } from '../core/version.ts'
import { commands, everywhere, type Command, type Flag } from './commands.ts'
import { errorEntries, type ErrorEntry } from './error-entries.ts'
import { exitCodes } from './report.ts'

/** `help`, `--help` and `--version`: what the program can say of itself without doing anything. */
export async function help({ command, positionals }: Invocation): Promise<number> {
  const [topic] = positionals
  const text =
    command === 'version'
      ? `conjur-agent ${VERSION}`
      : topic === undefined
        ? overview()
        : await about(topic)
  process.stdout.write(`${text}\n`)
  return 0
}

/** The rows of the overview, by what a reader wants to do. */
const GROUPS: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ['Run', [['init, sidecar, exec', "one pass; until SIGTERM; as a child's environment"]]],
  [
    'Look',
    [
      ['doctor', 'preflight: find out why it does not work here'],
      ['status', 'a running agent (healthcheck: probes)'],
    ],
  ],
  ['Set up', [['policy, rbac, inject', 'Conjur policy; Kubernetes rights; a patched pod']]],
  ['Cluster', [['injector', 'the mutating webhook']]],
  ['Develop', [['devserver, demo', 'a small Conjur; everything at once']]],
]

function overview(): string {
  const named: readonly string[] = Object.keys(commands)
  const rows = GROUPS.flatMap(([group, lines]) =>
    lines
      .filter(([names]) => names.split(', ').every((name) => named.includes(name)))
      .map(([names, what], index) => [index === 0 ? group : '', names, what]),
  )
  return [
    'conjur-agent gives a workload its Conjur secrets as files and keeps them fresh',
    '  conjur-agent demo              see the whole thing on this machine',
    '',
    columns(rows),
    '',
    'Everywhere --config FILE --color WHEN --log-level LEVEL --version -h',
    'Topics     help COMMAND | ERROR_CODE | SETTING | settings | exit-codes',
    'Shell      completion bash, zsh or fish; the manual: conjur-agent man | man -l -',
  ].join('\n')
}

async function about(topic: string): Promise<string> {
  const command = Object.entries<Command>(commands).find(([name]) => name === topic)
  if (command !== undefined) return commandHelp(topic, command[1])
  const entry = errorEntries[topic]
  if (entry !== undefined) return errorHelp(topic, entry)
  if (topic === 'exit-codes') return columns(exitCodes)
  const { settingHelp, settingNames, settingsOverview } = await import('../config/help.ts')
  if (topic === 'settings') return settingsOverview()
  const setting = settingHelp(topic)
  if (setting !== undefined) return setting
  const guess = nearest(topic, [
    ...Object.keys(commands),
    ...Object.keys(errorEntries),
    'exit-codes',
    ...settingNames(),
  ])
  throw new UsageError('USAGE', `there is no help on ${topic}`, {
    hint:
      guess === undefined
        ? 'conjur-agent help lists the commands; help settings the settings'
        : `did you mean conjur-agent help ${guess}?`,
  })
}

function commandHelp(name: string, command: Command): string {
  const usage = ['Usage: conjur-agent', name, command.positionals, '[flags]']
  const flags: readonly (readonly [string, Flag])[] = [
    ...Object.entries<Flag>(command.flags),
    ...Object.entries<Flag>(everywhere),
  ]
  return [
    usage.filter((word) => word !== undefined).join(' '),
    command.summary,
    ...command.examples.map(([line, what]) => `  ${line}${what === '' ? '' : `    ${what}`}`),
    '',
    columns(
      flags.flatMap(([flag, { short, value, help }]) =>
        help
          .split('\n')
          .map((line, index) => [
            index > 0
              ? ''
              : `  ${short === undefined ? '' : `-${short}, `}--${flag}${value === undefined ? '' : ` ${value}`}`,
            line,
          ]),
      ),
    ),
    ...(command.notes ?? []),
    ...(command.settings === true
      ? ['', 'Every setting is a flag too: conjur-agent help settings lists them']
      : []),
  ].join('\n')
}

function errorHelp(code: string, entry: ErrorEntry): string {
  return [
    code,
    entry.means,
    '',
    'Usual causes',
    ...entry.causes.flatMap(([cause, decides]) => [`  ${cause}`, `      ${decides}`]),
    '',
    `Cure   ${entry.cure}`,
    `Cured  ${entry.cured}`,
    ...(entry.alsoKnownAs.length === 0 ? [] : [`Also   ${entry.alsoKnownAs.join(', ')}`]),
  ]
    .join('\n')
    .replaceAll('`', '')
}
