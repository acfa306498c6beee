import { UsageError } from '../core/errors.ts'
import type { Invocation } from '../core/invocation.ts'
import { shells, vocabulary, type NamedFlag, type Spoken, type Word } from './vocabulary.ts'

/** `completion SHELL`: a script for that shell on stdout, made from the tables of commands and settings. */
export async function completion({ positionals }: Invocation): Promise<number> {
  const [shell, ...more] = positionals
  const write = shell === undefined || more.length > 0 ? undefined : writers.get(shell)
  if (write === undefined) {
    throw new UsageError('USAGE', `completion takes one of ${shells.join(', ')}`, {
      hint: 'source <(conjur-agent completion bash)',
    })
  }
  const { commands, topics } = await vocabulary()
  const known: readonly Word[] = [...commands, ...topics]
  process.stdout.write(write(commands, known))
  return 0
}

type Writer = (commands: readonly Spoken[], topics: readonly Word[]) => string

const writers: ReadonlyMap<string, Writer> = new Map([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
])

/** What may stand where a command has words of its own; `files`: whatever the shell finds. */
function operands({ word }: Spoken, topics: readonly Word[]): readonly Word[] | 'files' {
  switch (word) {
    case 'help':
      return topics
    case 'completion':
      return shells.map((shell) => ({ word: shell, about: `for ${shell}` }))
    case 'exec':
      return 'files'
    default:
      return []
  }
}

function takesFile({ value, choices }: NamedFlag): boolean {
  return value !== undefined && choices === undefined && /FILE|DIR|VALUE/.test(value)
}

function words(list: readonly Word[]): string {
  return list.map(({ word }) => word).join(' ')
}

function bash(commands: readonly Spoken[], topics: readonly Word[]): string {
  const cases = commands.map((command) => {
    const free = operands(command, topics)
    const chosen = command.flags.flatMap(({ name, short, choices }) =>
      choices === undefined
        ? []
        : [`        ${shortAnd(name, short)}) words='${choices.join(' ')}' ;;`],
    )
    const open = command.flags
      .filter(({ value, choices }) => value !== undefined && choices === undefined)
      .map(({ name, short }) => shortAnd(name, short))
    const flags = command.flags.map(({ name }) => `--${name}`).join(' ')
    return `    ${command.word})
      flags='${flags}'
      operands='${free === 'files' ? '' : words(free)}'
      case $previous in
${[...chosen, ...(open.length === 0 ? [] : [`        ${open.join('|')}) files=yes ;;`])].join('\n')}
      esac ;;`
  })
  return `# bash completion for conjur-agent. In .bashrc: source <(conjur-agent completion bash)
_conjur_agent() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local flags='' operands='' words='' files='' index
  COMPREPLY=()
  # bash parts --flag=value into three words.
  if [[ $current == = ]]; then current=''; elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((index = 1; index < COMP_CWORD; index++)); do
    if [[ \${COMP_WORDS[index]} == -- ]]; then compopt -o default; return; fi
  done
  local command=\${COMP_WORDS[1]}
  if ((COMP_CWORD == 1)) && [[ $current != -* ]]; then
    COMPREPLY=($(compgen -W '${words(commands)}' -- "$current"))
    return
  fi
  if [[ $command == -* ]]; then command=run; fi
  case $command in
${cases.join('\n')}
  esac
  if [[ $files ]]; then compopt -o default; return; fi
  if [[ ! $words ]]; then
    if [[ $current == -* ]]; then words=$flags; else words=$operands; fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _conjur_agent conjur-agent
`
}

function shortAnd(name: string, short: string | undefined): string {
  return short === undefined ? `--${name}` : `--${name}|-${short}`
}

function zsh(commands: readonly Spoken[], topics: readonly Word[]): string {
  const cases = commands.map((command) => {
    const free = operands(command, topics)
    const specs = command.flags.flatMap((flag) => zshFlag(flag))
    const last =
      free === 'files'
        ? [`'*::command:_normal'`]
        : free.length === 0
          ? []
          : [`'1:word:((${free.map((each) => zshWord(each)).join(' ')}))'`]
    return `    ${command.word}) _arguments -s ${[...specs, ...last].join(' ')} ;;`
  })
  const listed = commands.map(({ word, about }) =>
    quoted(`${word}:${about.replaceAll(':', '\\:')}`),
  )
  return `#compdef conjur-agent
# zsh completion for conjur-agent. In .zshrc, after compinit: source <(conjur-agent completion zsh)
_conjur-agent() {
  local -a commands
  commands=(${listed.join(' ')})
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe command commands
    return
  fi
  local command=$words[2]
  if [[ $command == -* ]]; then
    command=run
  else
    shift words
    (( CURRENT-- ))
  fi
  case $command in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _conjur-agent ]]; then _conjur-agent "$@"; else compdef _conjur-agent conjur-agent; fi
`
}

function zshFlag(flag: NamedFlag): readonly string[] {
  const { name, short, value, choices, help } = flag
  const about = `[${line(help).replaceAll(/[[\]:\\]/g, '\\$&')}]`
  const action =
    choices === undefined ? (takesFile(flag) ? '_files' : ' ') : `(${choices.join(' ')})`
  const rest = value === undefined ? '' : `:${value.replaceAll(':', '\\:')}:${action}`
  const long = `--${name}${value === undefined ? '' : '='}`
  return [
    quoted(`${long}${about}${rest}`),
    ...(short === undefined ? [] : [quoted(`-${short}${about}${rest}`)]),
  ]
}

/** A word inside \`((…))\`, which a shell splits once more. */
function zshWord({ word, about }: Word): string {
  const escaped = line(about).replaceAll(/[^\w.,-]/g, '\\$&')
  return `${word}\\:${escaped}`.replaceAll("'", "'\\''")
}

function fish(commands: readonly Spoken[], topics: readonly Word[]): string {
  const first = '__fish_use_subcommand'
  const lines = commands.flatMap((command) => {
    const seen = `__fish_seen_subcommand_from ${command.word}`
    const free = operands(command, topics)
    const given = free === 'files' ? [] : free
    return [
      `complete -c conjur-agent -f -n ${first} -a ${command.word} -d ${fishText(command.about)}`,
      ...(free === 'files' ? [] : [`complete -c conjur-agent -f -n '${seen}'`]),
      ...given.map(
        ({ word, about }) =>
          `complete -c conjur-agent -f -n '${seen}' -a ${word} -d ${fishText(about)}`,
      ),
      ...command.flags.map((flag) => fishFlag(flag, seen)),
    ]
  })
  return `# fish completion for conjur-agent. In config.fish: conjur-agent completion fish | source
${lines.join('\n')}
`
}

function fishFlag(flag: NamedFlag, seen: string): string {
  const { name, short, value, choices, help } = flag
  const given =
    choices !== undefined ? ` -x -a '${choices.join(' ')}'` : takesFile(flag) ? ' -r -F' : ' -x'
  const letter = short === undefined ? '' : ` -s ${short}`
  return `complete -c conjur-agent -n '${seen}'${letter} -l ${name}${value === undefined ? '' : given} -d ${fishText(help)}`
}

function fishText(text: string): string {
  return `'${line(text).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function line(text: string): string {
  return text.replaceAll('\n', ' ')
}
