import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { faultKinds } from '../../src/devserver/faults.ts'
import { startDevserver } from '../../src/devserver/server.ts'
import { sourceProgram } from '../support/program.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const page = readFileSync(new URL('../../docs/devserver.md', import.meta.url), 'utf8')

/** The fenced blocks of a language, in order. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(
    ([, text]) => text ?? '',
  )
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

describe('docs/devserver.md', () => {
  test('the tutorial does what it says, command by command', { timeout: 60_000 }, async () => {
    await using directory = await temporaryDirectory()
    const port = await freePort()
    const commands = blocks('sh').join('\n').replaceAll('8443', `${port}`)
    const script = `set -m\nconjur-agent() { exec $PROGRAM "$@"; }\n${commands}`
    const shell = spawn('bash', ['-c', script], {
      cwd: directory.path,
      env: {
        PATH: `${process.execPath.replace(/\/[^/]+$/, '')}:${process.env['PATH']}`,
        PROGRAM: sourceProgram([]).join(' '),
      },
    })
    const said = { stdout: '', stderr: '' }
    shell.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()))
    shell.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()))

    const [code] = await once(shell, 'close')

    expect(said.stdout).toContain('"authenticators":["authn-jwt/prod"]')
    expect(said.stdout).toContain('s3cret\n401\n')
    expect(said.stderr).toContain(
      '401 authn-jwt/prod host/apps/web CONJ00049E kubernetes.io/namespace: token "dev", policy "shop" (web.yml:18)',
    )
    expect(code).toBe(0)
  })

  test('the policy of every authenticator loads, and switches it on', async () => {
    const policies = blocks('yaml').filter((text) => text.startsWith('- !'))

    const names: string[] = []
    for (const policy of policies) {
      const server = await startDevserver({ policy, http: true })
      names.push(...server.authenticators)
      await server.close()
    }

    expect(names).toEqual(['authn-jwt/k8s', 'authn-azure/prod', 'authn-oidc/corp', 'authn-gcp'])
  })

  test('every fault has its row', () => {
    for (const kind of faultKinds) expect(page).toContain(`| \`${kind}\` |`)
  })
})
