import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { VERSION } from '../../src/core/version.ts'
import { blocksOf } from '../support/pages.ts'
import { testbed } from './kubernetes.ts'

/*
 * docs/exec.md as far as this machine goes: its images are built, and the agent runs in the
 * application's. `docker` is buildah; the application's image is a slim one with glibc.
 */

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const place = mkdtempSync(join(tmpdir(), 'conjur-agent-exec-page-'))
const steps = blocksOf('docs/exec.md')
  .filter(({ language }) => language === 'sh')
  .map(({ text }) => text)

const TOOLS = `
set -e
STORE=\${TESTBED_IMAGES:-$HOME/.cache/k8s-testbed/images}
buildah() { command buildah --root "$STORE/root" --runroot "$STORE/runroot" --storage-driver overlay "$@"; }
npmrc=$HOME/.npmrc; [ -e "$npmrc" ] || { npmrc=$STORE/empty; : >"$npmrc"; }
docker() {
  case "$1" in
    build) buildah bud --isolation chroot --pull=never --layers --secret "id=npmrc,src=$npmrc" \\
      --volume /etc/ssl/certs:/etc/ssl/certs:ro --build-arg NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "\${@:2}" ;;
    run)
      [ "$2 $3" = '--rm --entrypoint' ] || return 2
      local container; container=$(buildah from --pull-never "$5")
      buildah run --isolation chroot "$container" -- "$4" "\${@:6}"
      buildah rm "$container" >/dev/null ;;
    *) return 2 ;;
  esac
}
`

async function typed(block: string): Promise<string> {
  const { stdout } = await run('bash', ['-c', `${TOOLS}\n${block}`], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

beforeAll(async () => {
  await testbed('image.sh', ['base'], place)
  await typed('buildah tag docker.io/library/node:26-slim example.azurecr.io/report:1')
}, 300_000)

test('steps 1 to 3 lay the agent into an image, where it runs', async () => {
  const [agent = '', both = '', version = ''] = steps

  await typed(agent)
  await typed(both)

  expect(await typed(version)).toContain(`conjur-agent ${VERSION}`)
}, 600_000)
