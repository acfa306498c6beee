import { beforeEach, expect, test } from 'vitest'

import type { IdentityError } from '../../src/core/errors.ts'
import {
  tokenRequest,
  type TokenAnswer,
  type TokenRequest,
} from '../../src/identity/token-request.ts'
import { hastyClock, type FakeClock } from '../support/fake-clock.ts'
import { serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'

const maker = await tokenMaker()
const signal = new AbortController().signal
const REQUEST: TokenRequest = {
  namespace: 'shop',
  serviceAccount: 'web',
  audiences: ['conjur'],
  expirationSeconds: 900,
}

let clock: FakeClock
let asked: number

beforeEach(() => {
  clock = hastyClock()
  asked = 0
})

test('the token of the answer is taken, asked for anew each time', async () => {
  const token = await maker.make(serviceAccountClaims())
  const source = answering({ token }, { token })

  await source.token(signal)
  const again = await source.token(signal)

  expect(again.secret.text()).toBe(token)
  expect(asked).toBe(2)
})

test.each<[TokenAnswer, Partial<IdentityError>, number]>([
  [{ status: 400, reason: 'bound pod' }, { code: 'IDENTITY_REFUSED' }, 0],
  [{ status: 401, reason: 'Unauthorized' }, { code: 'IDENTITY_REFUSED' }, 1],
  [
    { status: 403, reason: 'forbidden' },
    {
      code: 'IDENTITY_REFUSED',
      hint: 'grant it: kubectl -n shop auth can-i create serviceaccounts/web --subresource=token',
    },
    0,
  ],
  [
    { status: 404, reason: 'not found' },
    {
      code: 'IDENTITY_ABSENT',
      message: 'the Kubernetes API refuses a token for shop/web (404: not found)',
    },
    4,
  ],
  [{ status: 409, reason: 'uid' }, { code: 'IDENTITY_REFUSED' }, 0],
  [
    { status: 422, reason: 'too short' },
    { code: 'IDENTITY_REFUSED', hint: expect.stringContaining('CONJUR_TOKEN_EXPIRATION') },
    0,
  ],
])('%o is final after its retries', async (answer, expected, retries) => {
  const error = await answering(answer)
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({ ...expected, retryable: false })
  expect(asked).toBe(retries + 1)
})

test('a busy or absent API server is waited for, by its own word', async () => {
  const token = await maker.make(serviceAccountClaims())
  const source = answering(
    { status: 'no answer', reason: 'ECONNREFUSED' },
    { status: 429, reason: '', retryAfterMs: 9000 },
    { status: 503, reason: '' },
    { token },
  )

  await source.token(signal)

  expect(clock.waits).toEqual([1000, 9000, 4000])
})

test('it is named, and no file is watched', () => {
  expect(answering()).toMatchObject({ name: 'token-request', watched: [] })
})

test('P5 a token that is none names the Kubernetes API', async () => {
  const error = await answering({ token: 'a.b' })
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_MALFORMED',
    message:
      'the platform token from the Kubernetes API (TokenRequest) is no JWT: it has not three parts separated by dots',
    hint: 'look at what writes the Kubernetes API (TokenRequest); it must hold one JWT and nothing else',
  })
})

test('P5 one that is expired says by how much', async () => {
  const error = await answering({ token: await maker.make({ exp: clock.now() / 1000 - 60 }) })
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    code: 'IDENTITY_EXPIRED',
    message: 'the platform token from the Kubernetes API (TokenRequest) expired 60 s ago',
    hint: 'compare the clock of this machine with the issuer (date -u), then see why the token is not renewed',
    facts: { from: 'the Kubernetes API (TokenRequest)', expiredSecondsAgo: 60 },
  })
})

test.each<[TokenAnswer, string]>([
  [{ status: 'no answer', reason: 'ECONNREFUSED' }, 'no answer: ECONNREFUSED'],
  [{ status: 429, reason: '' }, '429'],
  [{ status: 500, reason: 'Unwell' }, '500: Unwell'],
])('P5 %o is waited out for a minute, and told', async (answer, said) => {
  const error = await answering(answer)
    .token(signal)
    .catch((error: unknown) => error)

  expect(clock.waits).toEqual([1000, 2000, 4000, 8000, 16_000, 16_000])
  expect(error).toMatchObject({
    code: 'IDENTITY_NOT_READY',
    message: `the Kubernetes API gives no token for shop/web (${said})`,
    hint: 'let the pod reach the API server (NetworkPolicy): kubectl get --raw /readyz',
    retryable: true,
    facts: { serviceAccount: 'shop/web', status: 'status' in answer ? answer.status : undefined },
  })
})

test.each([
  [
    401,
    "see that the pod's own API token is mounted and renewed: ls -l /var/run/secrets/kubernetes.io/serviceaccount",
  ],
  [404, 'see that it exists: kubectl -n shop get serviceaccount web'],
  [409, 'the pod was replaced: pass its own uid by the downward API (metadata.uid)'],
  [
    422,
    'CONJUR_TOKEN_EXPIRATION must be 600 s or more, and the pod must run as this service account',
  ],
])('P5 %i is told with its cure', async (status, hint) => {
  const error = await answering({ status, reason: 'Why' })
    .token(signal)
    .catch((error: unknown) => error)

  expect(error).toMatchObject({
    message: `the Kubernetes API refuses a token for shop/web (${status}: Why)`,
    hint,
    facts: { serviceAccount: 'shop/web', status },
  })
})

/** A source whose API gives these answers in turn, the last one for ever. */
function answering(...answers: readonly TokenAnswer[]): ReturnType<typeof tokenRequest> {
  return tokenRequest({
    clock,
    random: () => 0,
    request: REQUEST,
    createToken: (request) => {
      expect(request).toBe(REQUEST)
      const answer = answers[Math.min(asked, answers.length - 1)]
      asked += 1
      return answer === undefined
        ? Promise.reject(new Error('no answers given'))
        : Promise.resolve(answer)
    },
  })
}
