import { turn } from '../../src/injector/rotation.ts'
import { fakeCluster } from '../support/fake-cluster.ts'

/* What the leader does in its first two turns, one line each, under whichever engine. */

const context = {
  ...fakeCluster(),
  identity: 'one',
  options: { leafDays: 90, caDays: 1825, names: ['injector.conjur.svc'] },
  now: Date.now,
}
for (let each = 0; each < 2; each++) {
  const { done } = await turn(context)
  process.stdout.write(`${done.join(' ')}\n`)
}
