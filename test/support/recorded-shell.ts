import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

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
    printf 'argv\\0'; printf '%s\\0' "$@"
    printf 'stdin\\0%s\\0' "$text"
    for each in $(compgen -e); do printf 'env\\0%s\\0%s\\0' "$each" "\${!each}"; done
    printf 'end\\0'
  } >>"$RECORD"
  return 0
}
`

/** Runs a script in which every program is only written down. Rejects with what bash finds wrong with it. */
export async function recordShell(script: string, directory = scratch()): Promise<Recorded> {
  const record = join(scratch(), 'record')
  writeFileSync(record, '')
  const file = join(scratch(), 'script')
  const names = `${record}.names`
  writeFileSync(
    file,
    `${PROLOGUE}\n${script}\n{ for each in \${!CONJUR_*} \${!MY_POD_*} \${!JWT_*} \${!NAMESPACE_*} \${!CONTAINER_*}; do printf '%s\\0%s\\0' "$each" "\${!each}"; done; } >'${names}'\n`,
  )
  await run('/bin/bash', ['-n', file])
  await run('/bin/bash', [file], {
    cwd: directory,
    env: { PATH: '/nowhere', RECORD: record },
    timeout: 20_000,
  }).catch((error: unknown) => {
    // A command that a test such as `[ -s x ]` let fail is no fault of the page.
    if (!(error instanceof Error && 'code' in error && typeof error.code === 'number')) throw error
  })
  return { started: readRecord(record), variables: pairsOf(readFileSync(names, 'utf8')) }
}

function readRecord(file: string): readonly Started[] {
  const started: Started[] = []
  for (const entry of readFileSync(file, 'utf8').split('end\0')) {
    const [before = '', ...environment] = entry.split('env\0')
    const [argv = '', stdin = ''] = before.replace(/^argv\0/, '').split('stdin\0')
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

function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'conjur-agent-shell-'))
}
