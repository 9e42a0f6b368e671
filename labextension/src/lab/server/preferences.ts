/** A plugin's settings from the settings editor, with defaults. */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { PartialJSONObject, PartialJSONValue } from '@lumino/coreutils';

import { Store } from '../../core/store';

export class Preferences<V extends PartialJSONObject> extends Store<V> {
  private settings: ISettingRegistry.ISettings | null = null;

  /** `id` is the plugin's, which is also the name of its schema. */
  constructor(registry: ISettingRegistry | null, id: string, defaults: V) {
    super(defaults);
    registry?.load(id).then(
      settings => {
        this.settings = settings;
        const read = (): void => this.change(settings.composite as Partial<V>);
        settings.changed.connect(read);
        read();
      },
      () => undefined // Without a schema, the defaults hold.
    );
  }

  /** Changes a preference, and saves it. */
  set<K extends keyof V & string>(name: K, value: V[K] & PartialJSONValue): void {
    this.change({ [name]: value } as unknown as Partial<V>);
    void this.settings?.set(name, value);
  }
}
