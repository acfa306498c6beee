import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { parseSecretList } from '../../src/config/secret-list.ts'
import { startDevserver } from '../../src/devserver/server.ts'
import { renderTemplate } from '../../src/outputs/gotemplate/render-template.ts'
import { blocksOf, pagePaths } from '../support/pages.ts'
import { recordShell, type Started } from '../support/recorded-shell.ts'

/* What the pages let the program print is printed, and read by whom it is for. */

const run = promisify(execFile)
const MAIN = join(import.meta.dirname, '../../src/main.ts')
const shells = pagePaths()
  .flatMap(blocksOf)
  .filter(
    ({ language, text }) => language === 'sh' && /conjur-agent (policy --for|rbac)/.test(text),
  )

const printing = (
  await Promise.all(
    shells.map(async ({ page, line, text }) => {
      const { started } = await recordShell(text)
      return started
        .filter(({ argv }) => argv[0] === 'conjur-agent')
        .map((each) => [`${page}:${line} ${each.argv.slice(1).join(' ')}`, each] as const)
    }),
  )
).flat()

test('pages print policy for Azure, JWT and OIDC, and rights', () => {
  expect(printing.length).toBeGreaterThanOrEqual(4)
})

test.each(printing)('%s', async (_, started) => {
  const { stdout, stderr } = await typed(started)

  if (started.argv.includes('rbac')) {
    const kinds = parseAllDocuments(stdout).map((document) => document.get('kind'))
    expect(kinds).toContain('RoleBinding')
  } else if (started.argv.includes('--values')) {
    expect(stdout).toMatch(/^conjur variable set -i conjur\/authn-\w+\/\w+\/[\w-]+ -v /m)
  } else {
    const conjur = await startDevserver({ http: true, policy: stdout })
    await conjur.close()
    expect(conjur.authenticators).toHaveLength(1)
    expect(stderr).toContain('conjur policy load -b root')
  }
})

test('the template of docs/templates.md makes the file that the page shows', async () => {
  const [manifest, ...blocks] = blocksOf('docs/templates.md')
  const annotations = parse(manifest?.text ?? '').metadata.annotations
  const { entries } = await parseSecretList(annotations['conjur.org/conjur-secrets.app'])
  const values: Readonly<Record<string, string>> = {
    user: 'shop',
    password: 'correct "horse"',
    flag: '',
  }

  const text = renderTemplate(
    annotations['conjur.org/secret-file-template.app'],
    entries.map(({ alias }) => ({ alias, value: Buffer.from(values[alias] ?? '') })),
  )

  expect(String(text).trimEnd()).toBe(blocks.at(-1)?.text)
})

/** The command as a reader would run it, by the program's source. */
async function typed({ argv, environment }: Started): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [MAIN, ...argv.slice(1)], {
    env: { ...environment, PATH: process.env['PATH'] },
  })
}
