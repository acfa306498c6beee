import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryDirectory } from './temporary-directory.ts'

const run = promisify(execFile)

/** One command of a script, as a shell would have started it. */
export interface Started {
  readonly argv: readonly string[]
  /** Variables that were exported, or stood before the command. */
  readonly environment: Readonly<Record<string, string>>
  /** Its here-document. */
  readonly stdin: string
}

/** What a script does. */
export interface Recorded {
  readonly started: readonly Started[]
  /** Variables that it set, exported or not. */
  readonly variables: Readonly<Record<string, string>>
}

// There is nothing on the PATH, so every program that the script names comes to the handler, with
// quotes, substitutions and here-documents done by bash itself. `cat` alone does its work, since
// pages make files with it.
const PROLOGUE = `
command_not_found_handle() {
  local text=
  if [ ! -t 0 ] && [ -p /dev/stdin -o -f /dev/stdin ]; then IFS= read -rd '' text; fi
  if [ "$1" = cat ]; then
    if [ $# = 1 ]; then printf %s "$text"; else for each in "\${@:2}"; do [ -f "$each" ] && printf '%s\\n' "$(<"$each")"; done; fi
  fi
  {
    printf '\\036argv\\0'; printf '%s\\0' "$@"
    printf '\\036stdin\\0%s\\0' "$text"
    for each in $(compgen -e); do printf '\\036env\\0%s\\0%s\\0' "$each" "\${!each}"; done
    printf '\\036end\\0'
  } >>"$RECORD"
  return 0
}
`

/**
 * Runs a script in which every program is only written down, in a directory that has what it reads.
 * Rejects with what bash finds wrong with it.
 */
export async function recordShell(script: string, directory?: string): Promise<Recorded> {
  await using scratch = await temporaryDirectory()
  const [record, file, names] = ['record', 'script', 'names'].map((name) =>
    join(scratch.path, name),
  )
  await writeFile(record ?? '', '')
  await writeFile(
    file ?? '',
    `${PROLOGUE}\n${script}\n{ for each in \${!CONJUR_*} \${!MY_POD_*} \${!JWT_*} \${!NAMESPACE_*} \${!CONTAINER_*}; do printf '%s\\0%s\\0' "$each" "\${!each}"; done; } >'${names}'\n`,
  )
  await run('/bin/bash', ['-n', file ?? ''])
  await run('/bin/bash', [file ?? ''], {
    cwd: directory ?? scratch.path,
    env: { PATH: '/nowhere', RECORD: record },
    timeout: 20_000,
  }).catch((error: unknown) => {
    // A command that a test such as `[ -s x ]` let fail is no fault of the page.
    if (!(error instanceof Error && 'code' in error && typeof error.code === 'number')) throw error
  })
  return {
    started: readRecord(await readFile(record ?? '', 'utf8')),
    variables: pairsOf(await readFile(names ?? '', 'utf8')),
  }
}

function readRecord(text: string): readonly Started[] {
  const started: Started[] = []
  for (const entry of text.split('\x1Eend\0')) {
    const [before = '', ...environment] = entry.split('\x1Eenv\0')
    const [argv = '', stdin = ''] = before.replace(/^\x1Eargv\0/, '').split('\x1Estdin\0')
    if (argv === '') continue
    started.push({
      argv: argv.split('\0').slice(0, -1),
      stdin: stdin.replace(/\0$/, ''),
      environment: pairsOf(environment.join('')),
    })
  }
  return started
}

function pairsOf(text: string): Record<string, string> {
  const words = text.split('\0')
  const pairs: Record<string, string> = {}
  for (let index = 0; index + 1 < words.length; index += 2) {
    pairs[words[index] ?? ''] = words[index + 1] ?? ''
  }
  return pairs
}
