import type { ServerSettings } from '@jupyterlab/application';
import { expect, test } from 'vitest';

import { Api, Refused } from '../src/lab/api';
import { ServerConnection } from './services';

const settings = { baseUrl: 'https://hub/user/a%40b/' } as ServerSettings;
const { makeRequest } = ServerConnection;

/** An `Api` whose server gives this answer. */
function answered(body: string, status = 200): Api {
  makeRequest.mockReset();
  makeRequest.mockResolvedValue(new Response(body, { status }));
  return new Api(settings);
}

async function refusal(asked: Promise<unknown>): Promise<Refused> {
  const error: unknown = await asked.catch((found: unknown) => found);
  expect(error).toBeInstanceOf(Refused);
  return error as Refused;
}

test('asks below the base URL, through what knows the token and the cookie', async () => {
  const api = answered('{"runtimes": [{"name": "plain"}]}');
  expect(await api.runtimes('a&b=c', null)).toEqual([{ name: 'plain' }]);
  expect(makeRequest).toHaveBeenCalledWith(
    'https://hub/user/a%40b/jupyter-trainjob/runtimes?context=a%26b%3Dc',
    { method: 'GET' },
    settings
  );
});

test('leaves out what nobody chose', async () => {
  await answered('{"nodes": [], "why": ""}').capacity(null);
  expect(makeRequest.mock.calls[0]?.[0]).toBe('https://hub/user/a%40b/jupyter-trainjob/capacity');
});

test('sends a form as JSON', async () => {
  await answered('{"line": "", "problems": [], "fit": ""}').form({ nodes: 2 }, 'gpu', null);
  const [url, init] = makeRequest.mock.calls[0] ?? [];
  expect(url).toMatch(/\/form$/);
  expect(init?.method).toBe('POST');
  expect(JSON.parse(String(init?.body))).toEqual({ options: { nodes: 2 }, context: 'gpu', namespace: null });
});

test('names of jobs and namespaces stay parts of the path', async () => {
  const api = answered('{"metrics": {"step": [1], "loss": [null]}}');
  expect(await api.metrics('team', 'a/../b', 'gpu')).toEqual({ step: [1], loss: [null] });
  expect(makeRequest.mock.calls[0]?.[0]).toMatch(/\/metrics\/team\/a%2F\.\.%2Fb\?context=gpu$/);
});

test("a refusal is the server's own words, with its status", async () => {
  const error = await refusal(answered('{"message": "No such context.", "reason": "x"}', 400).clusters());
  expect([error.message, error.status]).toEqual(['No such context.', 400]);
});

test.each([
  ['a page of somebody between', '<html>', 502],
  ['an answer without words', '{}', 500],
  ['a page where an answer should be', '<html>', 200]
])('%s is told as a server that is another one', async (_, body, status) => {
  const error = await refusal(answered(body, status).clusters());
  expect(error.message).toContain('reload the page');
});

test('a server that is away is told as that', async () => {
  const api = answered('');
  makeRequest.mockRejectedValue(new TypeError('Failed to fetch'));
  expect((await refusal(api.clusters())).message).toContain('does not answer');
});
