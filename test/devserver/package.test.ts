import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const run = promisify(execFile)
const root = new URL('../..', import.meta.url).pathname

/** A project that has this package installed, with one module in it. */
async function project(source: string) {
  const directory = await temporaryDirectory()
  const at = (path: string): string => join(directory.path, path)
  await mkdir(at('node_modules/@types'), { recursive: true })
  await symlink(root, at('node_modules/conjur-agent'))
  await symlink(join(root, 'node_modules/@types/node'), at('node_modules/@types/node'))
  await writeFile(at('package.json'), '{"type":"module"}')
  await writeFile(at('use.ts'), source)
  await writeFile(
    at('tsconfig.json'),
    '{"compilerOptions":{"module":"nodenext","target":"es2024","strict":true,"noEmit":true,"types":["node"],"skipLibCheck":false},"files":["use.ts"]}',
  )
  return { at, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() }
}

test(
  'a test of an application imports it as conjur-agent/devserver, by name and by type',
  { timeout: 60_000 },
  async () => {
    await using other = await project(`
import { startDevserver, type Devserver } from 'conjur-agent/devserver'
const server: Devserver = await startDevserver({ account: 'acme', policy: '- !variable v', values: { v: 'x' } })
const key: string | undefined = server.apiKeyOf('admin')
console.log(JSON.stringify([server.url.startsWith('https://127.0.0.1:'), typeof key]))
// @ts-expect-error an option that does not exist
const wrong = { colour: 'red' } satisfies Parameters<typeof startDevserver>[0]
await server.close()
`)

    const compiled = await run(join(root, 'node_modules/.bin/tsc'), [
      '-p',
      other.at('tsconfig.json'),
    ]).catch((error: unknown) => error)
    const { stdout } = await run(process.execPath, [other.at('use.ts')])

    expect(compiled).toMatchObject({ stdout: '' })
    expect(JSON.parse(stdout)).toEqual([true, 'string'])
  },
)
