import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const root = join(import.meta.dirname, '../..')
const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0

function agent(...words: readonly string[]): { stdout: string; stderr: string; status: number } {
  const argv = [join(root, 'src/main.ts'), ...words]
  const { stdout, stderr, status } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  return { stdout, stderr, status: status ?? -1 }
}

/** What bash's own completion function offers when the cursor stands behind the last word. */
function inBash(...words: readonly string[]): readonly string[] {
  const script = `eval "$(cat)"
compopt() { echo "compopt $*"; }
COMP_WORDS=(conjur-agent "$@")
COMP_CWORD=$#
_conjur_agent
printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync(
    'bash',
    ['--norc', '--noprofile', '-c', script, 'bash', ...words],
    {
      encoding: 'utf8',
      input: agent('completion', 'bash').stdout,
    },
  )
  expect(stderr).toBe('')
  return stdout.split('\n').filter((line) => line !== '')
}

const settled: readonly (readonly [typed: readonly string[], becomes: string])[] = [
  [['doc'], 'doctor'],
  [['doctor', '--unt'], '--until'],
  [['sidecar', '--secrets-refresh-i'], '--secrets-refresh-interval'],
  [['help', 'CONJUR_UNAUTHE'], 'CONJUR_UNAUTHENTICATED'],
  [['help', 'exit'], 'exit-codes'],
  [['completion', 'f'], 'fish'],
]

test.each(settled)('bash completes %j', (typed, becomes) => {
  expect(inBash(...typed)).toEqual([becomes])
})

test('bash offers every command, and what a flag takes, with a space and with =', () => {
  expect(inBash('')).toEqual(Object.keys(commands))
  expect(inBash('doctor', '--until', 'va')).toEqual(['variables'])
  expect(inBash('--color', '=', '')).toEqual(['always', 'never', 'auto'])
})

test('bash completes files where a flag takes one, and the command behind exec --', () => {
  expect(inBash('devserver', '--policy', '')).toEqual(['compopt -o default'])
  expect(inBash('exec', '--', 'l')).toEqual(['compopt -o default'])
})

/** What zsh's completion function hands to zsh: the words of `_describe`, the specifications of `_arguments`. */
function inZsh(...words: readonly string[]): readonly string[] {
  const script = `compdef() { : }
_describe() { print -rl -- \${commands%%:*} }
_arguments() { print -rl -- "$@" }
eval "$(cat)"
words=(conjur-agent "$@") CURRENT=$(($# + 1))
_conjur-agent`
  const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', script, 'zsh', ...words], {
    encoding: 'utf8',
    input: agent('completion', 'zsh').stdout,
  })
  expect(stderr).toBe('')
  return stdout.split('\n')
}

test.skipIf(!has('zsh')).each(settled)('zsh is told how to complete %j', (typed, becomes) => {
  const told = inZsh(...typed)

  const names = told.flatMap((line) => [
    line,
    line.replace(/[=[].*/, ''),
    ...(/^1:word:\(\((.*)\)\)$/.exec(line)?.[1] ?? '')
      .split(/(?<!\\) /)
      .map((word) => word.replace(/\\:.*/, '')),
  ])
  expect(names).toContain(becomes)
})

test.skipIf(!has('zsh'))('zsh completes files and choices where a flag takes them', () => {
  expect(inZsh('doctor', '--').find((line) => line.startsWith('--color='))).toMatch(
    /:WHEN:\(always never auto\)$/,
  )
  expect(inZsh('devserver', '--').find((line) => line.startsWith('--policy='))).toMatch(/:_files$/)
  expect(inZsh('exec', '--', 'l')).toContain('*::command:_normal')
})

test.skipIf(!has('fish'))('fish completes the same, and tells what each word is for', async () => {
  await using directory = await temporaryDirectory()
  const script = join(directory.path, 'conjur-agent.fish')
  await writeFile(script, agent('completion', 'fish').stdout)
  const inFish = (typed: string): readonly string[] => {
    const asked = `source ${script}; complete -C "conjur-agent ${typed}"`
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', asked], {
      encoding: 'utf8',
      env: { ...process.env, HOME: directory.path },
    })
    expect(stderr).toBe('')
    return stdout.trim().split('\n')
  }

  for (const [words, becomes] of settled) {
    expect(inFish(words.join(' ')).map((line) => line.split('\t')[0])).toEqual([becomes])
  }
  expect(inFish('doctor --until va')).toEqual([
    'variables\tconfiguration, token, clock, name, TLS, authenticator, login, variables, volume (default)',
  ])
  expect(inFish('doc')).toEqual([`doctor\t${commands.doctor.summary}`])
})

test('P6 a shell that is not known is refused with those that are', () => {
  expect(agent('completion', 'tcsh')).toEqual({
    status: 2,
    stdout: '',
    stderr:
      'completion takes one of bash, zsh, fish\nhint: source <(conjur-agent completion bash)\n',
  })
})
