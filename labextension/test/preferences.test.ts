/** What is set in the settings editor reaches who asks, and what is chosen elsewhere is kept there. */
import type { SettingRegistry } from '@jupyterlab/settingregistry';
import { expect, test, vi } from 'vitest';

import { Preferences } from '../src/lab/preferences';

const USUAL = { sort: 'newest', refresh: 15 };

function registry(composite: Record<string, unknown>): {
  registry: SettingRegistry;
  change: (composite: Record<string, unknown>) => void;
  set: ReturnType<typeof vi.fn>;
} {
  const heard: (() => void)[] = [];
  const set = vi.fn(() => Promise.resolve());
  const settings = { composite, changed: { connect: (each: () => void) => void heard.push(each) }, set };
  return {
    registry: { load: () => Promise.resolve(settings) },
    change: next => {
      settings.composite = next;
      heard.forEach(each => each());
    },
    set
  };
}

test('what is set holds, from the beginning and when it changes', async () => {
  const { registry: found, change } = registry({ sort: 'name', refresh: 15 });
  const preferences = new Preferences(found, 'plugin', USUAL);
  expect(preferences.view()).toEqual(USUAL);
  await vi.waitFor(() => expect(preferences.view().sort).toBe('name'));
  change({ sort: 'oldest', refresh: 60 });
  expect(preferences.view()).toEqual({ sort: 'oldest', refresh: 60 });
});

test('what is chosen is kept', async () => {
  const { registry: found, set } = registry(USUAL);
  const preferences = new Preferences(found, 'plugin', USUAL);
  await Promise.resolve();
  preferences.set('sort', 'oldest');
  expect(preferences.view().sort).toBe('oldest');
  expect(set).toHaveBeenCalledWith('sort', 'oldest');
});

test('without a settings registry, or a schema, the usual holds', async () => {
  const broken = { load: () => Promise.reject(new Error('No schema')) };
  for (const each of [null, broken]) {
    const preferences = new Preferences(each, 'plugin', USUAL);
    await Promise.resolve();
    preferences.set('sort', 'name');
    expect(preferences.view()).toEqual({ sort: 'name', refresh: 15 });
  }
});
