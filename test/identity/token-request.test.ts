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
