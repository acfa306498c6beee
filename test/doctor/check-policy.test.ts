import { expect, test } from 'vitest'
import { readGiven } from '../../src/config/given.ts'
import { readConfig } from '../../src/config/load.ts'
import { checkPolicy } from '../../src/doctor/check-policy.ts'
import { planFor } from '../../src/doctor/plan.ts'
import { createTools, operatorTokenIn } from '../../src/doctor/tools.ts'
import { POLICY, startBench, type BenchOptions } from './bench.ts'

/** What an operator is told to be missing on a server with this policy. */
async function missingOn(
  conjur: BenchOptions['conjur'],
  settings: BenchOptions['settings'],
): Promise<readonly string[]> {
  await using bench = await startBench({
    ...(conjur === undefined ? {} : { conjur }),
    ...(settings === undefined ? {} : { settings }),
  })
  const given = await readGiven({ flags: {}, environment: bench.environment })
  const operatorToken = await operatorTokenIn(await bench.operatorToken())
  const { tools, close } = createTools({ given, timeoutMs: 5000, operatorToken })
  const { signal } = new AbortController()
  const plan = await planFor({ ...(await readConfig(given)), flags: {} }, tools, signal)
  const { missing } = await checkPolicy(plan, tools, signal)
  await close()
  return missing.map(({ what }) => what)
}

const ALL = ['issuer', 'provider-uri', 'audience', 'enforced-claims', 'claim-aliases']
const none = (): Record<string, undefined> =>
  Object.fromEntries(ALL.map((name) => [name, undefined]))

test('on an empty server everything of the plan is missing, each thing once', async () => {
  const policy =
    '- !policy\n  id: apps\n  body:\n    - !variable web/api-key\n    - !variable web/db-password\n    - !variable web/db-user\n'

  expect(await missingOn({ policy }, none)).toEqual([
    'webservice conjur/authn-jwt/prod',
    'group conjur/authn-jwt/prod/workloads',
    'variable conjur/authn-jwt/prod/issuer',
    'variable conjur/authn-jwt/prod/provider-uri',
    'variable conjur/authn-jwt/prod/audience',
    'host/apps/web',
    'execute on variable apps/web/api-key for host/apps/web',
    'execute on variable apps/web/db-user for host/apps/web',
    'execute on variable apps/web/db-password for host/apps/web',
  ])
})

test('a host that is in no group is found by its login', async () => {
  const policy = POLICY.slice(0, POLICY.indexOf('- !grant'))

  expect(await missingOn({ policy }, undefined)).toEqual([
    'Conjur knows host/apps/web but does not let it use authn-jwt/prod (403)',
  ])
})

test('other hosts that no longer fit what the authenticator demands are named', async () => {
  const policy = `${POLICY.replace('- !variable audience', '- !variable audience\n    - !variable enforced-claims')}
- !host
  id: apps/old
  annotations:
    authn-jwt/prod/kubernetes.io/namespace: shop
`
  const settings = (): Record<string, string> => ({
    'enforced-claims': 'kubernetes.io/serviceaccount/name',
  })

  expect(await missingOn({ policy }, settings)).toEqual([
    'host/apps/old no longer fits: the host lacks annotation authn-jwt/prod/kubernetes.io/serviceaccount/name, which enforced-claims demands',
  ])
})

test('nothing is missing where everything is there', async () => {
  expect(await missingOn(undefined, undefined)).toEqual([])
})
