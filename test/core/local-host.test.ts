import { expect, test } from 'vitest'

import { isLocalHost } from '../../src/core/local-host.ts'

test.each([
  'localhost',
  '127.0.0.1',
  '127.1.2.3',
  '[::1]',
  '::1',
  '169.254.169.254',
  '169.254.170.23',
  '[fe80::1]',
  '[fd00:ec2::254]',
])('%s is this machine or its link', (host) => {
  expect(isLocalHost(host)).toBe(true)
})

test.each([
  '10.0.0.1',
  '169.255.0.1',
  'localhost.example.com',
  '127.0.0.1.example.com',
  '[fd00::1]',
  '[2001:db8::1]',
  '128.0.0.1',
  '',
])('%s is somewhere else', (host) => {
  expect(isLocalHost(host)).toBe(false)
})
