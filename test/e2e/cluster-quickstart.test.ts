import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { blocksOf } from '../support/pages.ts'
import { eventually, scratch, startProgram, testbed, type Program } from './kubernetes.ts'

/*
 * docs/quickstart-kubernetes.md, block by block as it is written, on a cluster that is new. What
 * stands for the reader's own is put in: Conjur is the devserver at the machine's address; `docker`
 * builds with buildah and hands the image to the node; `conjur` is curl.
 */

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const place = mkdtempSync(join(tmpdir(), 'conjur-agent-quickstart-'))
const URL = 'https://10.98.0.1:18910'
const ADMIN_KEY = '3ahcddy39rcxzh3ggac4cwk3j2r8pqwdg33059y835ys2rh2kzs2a'
const [pause = '', busybox = ''] = ['pause.tar', 'busybox.tar'].map((name) => join(place, name))

const page = blocksOf('docs/quickstart-kubernetes.md')
const steps = page.filter(({ language }) => language === 'sh').map(({ text }) => text)
const [image = '', policy = '', install = '', pods = '', apply = '', running = '', read = ''] =
  steps
const [change = '', cleanUp = ''] = steps.slice(7)
const shown = page.find(({ language }) => language === '')?.text ?? ''
const policyText = page.find(({ text }) => text.startsWith('- !policy'))?.text ?? ''
let conjur: Program

const TOOLS = `
set -e
api() { curl -sf --cacert conjur.pem "$@"; }
token() { api -H 'Accept-Encoding: base64' -d ${ADMIN_KEY} ${URL}/authn/acme/admin/authenticate; }
conjur() {
  case "$1 $2" in
    'policy load') api -H "Authorization: Token token=\\"$(token)\\"" --data-binary @"$6" ${URL}/policies/acme/policy/"$4" ;;
    'variable set') api -H "Authorization: Token token=\\"$(token)\\"" --data-binary "$6" ${URL}/secrets/acme/variable/"$4" && echo 'Value added' ;;
    *) return 2 ;;
  esac
}
docker() {
  case "$1" in
    build) "$ROOT/test/e2e/testbed/image.sh" build "$ROOT" "$3" "$TESTBED_RUN/agent.tar" --build-arg NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt ;;
    push) "$ROOT/test/e2e/testbed/cluster.sh" load "$TESTBED_RUN/agent.tar" ;;
    *) return 2 ;;
  esac
}
`

/** Runs a block of the page; resolves with what it prints. */
async function typed(block: string): Promise<string> {
  const script = block.replaceAll('https://conjur.example.com', URL)
  const child = run('bash', ['-c', `${TOOLS}\n${script}`], {
    cwd: place,
    env: {
      ...process.env,
      ROOT: root,
      TESTBED_RUN: place,
      KUBECONFIG: join(place, 'admin.kubeconfig'),
    },
    maxBuffer: 64 * 1024 * 1024,
  })
  const { stdout, stderr } = await child.catch((error: unknown) => {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : ''
    throw new Error(`${block}\n${said}`, { cause: error })
  })
  return stdout + stderr
}

beforeAll(async () => {
  await testbed('image.sh', ['base'], place)
  await testbed('image.sh', ['pause', pause], place)
  await testbed('image.sh', ['busybox', busybox], place)
  await testbed('cluster.sh', ['up', pause, busybox], place)
  conjur = startProgram(
    [
      'devserver',
      `--listen=${URL.replace('https://', '')}`,
      '--allow-remote',
      '--account=acme',
      `--policy=${scratch('root.yml', '- !policy somebody-else')}`,
      // The page: the authenticator must also be on.
      '--authenticators=authn-jwt/prod',
      `--ca-out=${join(place, 'conjur.pem')}`,
      `--admin-api-key=${ADMIN_KEY}`,
      '--explain',
    ],
    {},
  )
  await eventually('the devserver', async () => existsSync(join(place, 'conjur.pem')))
  symlinkSync(join(root, 'charts'), join(place, 'charts'))
  writeFileSync(join(place, 'policy.yml'), policyText)
}, 600_000)

afterAll(async () => {
  await conjur?.stop()
  await testbed('cluster.sh', ['down'], place)
  for (const name of ['pause.tar', 'busybox.tar', 'agent.tar'])
    rmSync(join(place, name), { force: true })
}, 60_000)

test('what the page asks for is there', async () => {
  const proofs = [
    ...readFileSync(join(root, 'docs/quickstart-kubernetes.md'), 'utf8').matchAll(
      /^\|.*\| `(kubectl auth|helm|curl)([^`]*)`/gm,
    ),
  ]

  expect(proofs).toHaveLength(3)
  for (const [, program, rest] of proofs) await typed(`${program}${rest}`)
})

test('step 1 puts the image where the cluster can pull it', async () => {
  await typed(image)
}, 600_000)

test('step 2 tells Conjur whom to believe', async () => {
  expect((await typed(policy)).match(/Value added/g)).toHaveLength(5)
})

test('step 3 installs the injector', async () => {
  expect(await typed(install)).toContain('STATUS: deployed')
  expect((await typed(pods)).match(/Running/g)).toHaveLength(2)
}, 300_000)

test('step 4 runs a pod that opts in', async () => {
  expect(await typed(apply)).toContain('pod/web created')
  await eventually('2/2 Running', async () => /2\/2 +Running/.test(await typed(running)), 120)
}, 180_000)

test('step 5 reads the secret', async () => {
  expect((await typed(read)).trim()).toBe(shown)
})

test('step 6 changes it in Conjur; and what other pages say of such a pod is so', async () => {
  expect(await typed(change)).toContain('Value added')
  const [refresh = ''] = blocksOf('docs/rotate.md').map(({ text }) => text)
  const [doctor = ''] = blocksOf('docs/debug-401.md').map(({ text }) => text)
  const inShop = (block: string): string => block.replace('kubectl exec', 'kubectl -n shop exec')

  expect(await typed(inShop(refresh))).toContain('"refreshing":true')
  await eventually('the new value', async () => (await typed(read)).includes('battery staple'))
  expect(await typed(inShop(doctor))).toContain('✓ login')
})

test('the Job, the template and the reload of their pages run there too', async () => {
  await applied('docs/jobs.md')
  await typed('kubectl -n shop create job report-now --from=cronjob/report')
  await typed('kubectl -n shop wait job/report-now --for=condition=complete --timeout=90s')
  await applied('docs/templates.md', 'templated')
  await applied('docs/reload.md', 'told')
  const [, ...blocks] = blocksOf('docs/templates.md')
  const expected = (blocks.at(-1)?.text ?? '').replace(
    String.raw`correct \"horse\"`,
    'battery staple',
  )
  const inside = (pod: string, command: string): Promise<string> =>
    typed(`kubectl -n shop exec ${pod} -c web -- ${command}`)

  await eventually('the file of the template', async () =>
    (await inside('templated', 'cat /conjur/secrets/app.conf')).includes('[db]'),
  )
  expect((await inside('templated', 'cat /conjur/secrets/app.conf')).trim()).toBe(expected)
  await eventually('the touched file', async () =>
    (await inside('told', 'ls /conjur/status')).includes('changed'),
  )
}, 180_000)

/** Applies the first manifest of a page; a pod gets a name of its own, and stays. */
async function applied(page: string, name?: string): Promise<void> {
  const object = parse(blocksOf(page).find(({ language }) => language === 'yaml')?.text ?? '')
  if (name !== undefined) {
    object.metadata.name = name
    object.spec.containers[0].command = ['sleep', '3600']
  }
  const file = scratch('manifest.json', JSON.stringify(object))
  await typed(`kubectl -n shop apply -f ${file}`)
}

test('the clean-up leaves nothing of it', async () => {
  await typed(cleanUp)

  expect(
    await typed('kubectl get mutatingwebhookconfigurations,clusterroles -o name'),
  ).not.toContain('conjur')
  expect(await typed('kubectl get namespaces -o name')).not.toMatch(/shop|conjur/)
}, 180_000)
