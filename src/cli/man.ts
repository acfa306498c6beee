import type { Invocation } from '../core/invocation.ts'
import { VERSION } from '../core/version.ts'
import { commands, everywhere, type Command, type Flag } from './commands.ts'
import { exitCodes } from './report.ts'

/** `man`: the manual page in roff, from the same tables as `--help`. */
export async function man(_invocation: Invocation): Promise<number> {
  const { spellings } = await import('../config/help.ts')
  const settings = spellings().map(({ env, row }) => {
    const standard = row.default === undefined ? '' : ` Default: ${row.default}.`
    return term(env, `${row.help}${standard}`)
  })
  process.stdout.write(
    `${[
      `.TH CONJUR\\-AGENT 1 "${RELEASED}" "conjur\\-agent ${VERSION}" "User Commands"`,
      '.SH NAME',
      'conjur\\-agent \\- gives a workload its Conjur secrets as files',
      '.SH SYNOPSIS',
      '.B conjur\\-agent',
      '.RI [ command ]',
      '.RI [ flags ]',
      '.SH DESCRIPTION',
      text(DESCRIPTION),
      '.SH COMMANDS',
      ...Object.entries<Command>(commands).flatMap(([name, command]) => about(name, command)),
      '.SH FLAGS OF EVERY COMMAND',
      ...Object.entries<Flag>(everywhere).map(([name, flag]) => flagTerm(name, flag)),
      '.SH ENVIRONMENT',
      text(ENVIRONMENT),
      ...settings,
      '.SH EXIT STATUS',
      ...exitCodes.map(([code, meaning]) => term(code, meaning)),
      '.SH FILES',
      ...FILES.map(([path, what]) => term(path, what)),
    ].join('\n')}\n`,
  )
  return 0
}

/** The day of the version; a manual page carries one. */
const RELEASED = '2026-11-25'

const DESCRIPTION =
  'Stands beside an application, obtains the signed token by which the platform vouches for the workload, authenticates to ' +
  'Conjur with it, and publishes the access token and the requested variables to a volume in memory, to Kubernetes Secrets or ' +
  'to the environment of a child. It keeps all of it fresh before anything expires. Without a command the container mode ' +
  'decides; unset, it is init.'

const ENVIRONMENT =
  'Every setting is an environment variable, most are pod annotations, all but those of one group are flags too (the name in ' +
  'kebab case), and all may stand in the file of --config. Flags win over annotations, those over the environment, that over the file.'

const FILES: readonly (readonly [string, string])[] = [
  ['/conjur/secrets', 'the published set, by CONJUR_SECRETS_DIRECTORY'],
  ['/run/conjur/access-token', 'the access token, by CONJUR_AUTHN_TOKEN_FILE'],
  ['/conjur/status/agent.json', 'what status and healthcheck read, by CONJUR_STATUS_DIRECTORY'],
  ['/conjur/podinfo/annotations', "the pod's annotations, by CONJUR_ANNOTATIONS_FILE"],
]

function about(name: string, command: Command): readonly string[] {
  const takes = [command.positionals, command.settings === true ? '[settings]' : undefined]
  const usage = [name, ...takes.filter((word) => word !== undefined)].join(' ')
  return [
    `.SS ${text(usage)}`,
    text(command.summary),
    ...command.examples.flatMap(([line, what]) => [
      '.PP',
      '.nf',
      `  ${escaped(line)}`,
      '.fi',
      ...(what === '' ? [] : [text(`(${what})`)]),
    ]),
    ...Object.entries<Flag>(command.flags).map(([flag, row]) => flagTerm(flag, row)),
    ...(command.notes === undefined ? [] : ['.PP', text(command.notes.join(' '))]),
  ]
}

function flagTerm(name: string, { short, value, help }: Flag): string {
  const letter = short === undefined ? '' : `-${short}, `
  return term(
    `${letter}--${name}${value === undefined ? '' : ` ${value}`}`,
    help.replaceAll('\n', ' '),
  )
}

function term(head: string, body: string): string {
  return `.TP\n.B ${text(head)}\n${text(body)}`
}

/** Text as roff takes it: short lines, none a control line, a typed hyphen, letters beyond ASCII by their code point. */
function text(plain: string): string {
  const lines: string[] = []
  let current = ''
  for (const word of plain.split(' ')) {
    const longer = current === '' ? word : `${current} ${word}`
    const breaks = current.trim() !== '' && escaped(longer).length > WIDTH
    if (breaks) lines.push(current)
    current = breaks ? word : longer
  }
  return [...lines, current].map((line) => escaped(line)).join('\n')
}

const WIDTH = 76

function escaped(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/[^\x20-\x7e]/gu, (letter) => {
      const code = (letter.codePointAt(0) ?? 0).toString(16).toUpperCase()
      return `\\[u${code.padStart(4, '0')}]`
    })
    .replace(/^(?=[.'])/, '\\&')
}
