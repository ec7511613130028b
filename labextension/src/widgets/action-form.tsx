/** The question of an action that takes a body: its confirmation, and a small form made of its schema. */
import type { Dialog } from '@jupyterlab/apputils';
import { FormComponent, ReactWidget } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { RJSFSchema, UiSchema } from '@rjsf/utils';
import type { Action, JsonObject } from '../api-types';
import { FIELDS, TEMPLATES, VALIDATOR, WIDGETS } from '../forms/registry';
import { plainSchema, uiSchemaOf, withoutEmpty } from '../forms/schema';
import type { PanelContext } from './context';
import { PanelProvider } from './context';

export class ActionForm extends ReactWidget implements Dialog.IBodyWidget<JsonObject> {
  constructor(
    private readonly context: PanelContext,
    private readonly action: Action,
    private data: JsonObject = {}
  ) {
    super();
    this.addClass('orr-ActionForm');
  }

  getValue(): JsonObject {
    return withoutEmpty(this.data, plainSchema(this.action.schema ?? {})) as JsonObject;
  }

  protected render(): JSX.Element {
    const schema = { ...plainSchema(this.action.schema ?? {}), title: '', description: '' };
    return (
      <PanelProvider value={this.context}>
        {this.action.confirm && <p>{this.action.confirm}</p>}
        <FormComponent
          idPrefix="action"
          tagName="div"
          schema={schema as RJSFSchema}
          uiSchema={uiSchemaOf(schema) as unknown as UiSchema<ReadonlyJSONObject>}
          formData={this.data}
          formContext={{ model: null, columns: null, instanceTypes: [] }}
          validator={VALIDATOR}
          widgets={WIDGETS}
          fields={FIELDS}
          templates={TEMPLATES}
          onChange={event => {
            this.data = event.formData as JsonObject;
            this.update();
          }}
          noHtml5Validate
          noValidate
          showErrorList={false}
        >
          <></>
        </FormComponent>
      </PanelProvider>
    );
  }
}
