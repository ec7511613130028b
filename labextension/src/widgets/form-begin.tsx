/** Above the fields of a new run: the template that it begins with. */
import { Help } from '../forms/help';
import { ReferenceWidget } from '../forms/reference';
import type { FormModel } from '../models/form';
import { useModel } from '../models/model';

const LABEL = 'Start from a template';
const TEMPLATES = { 'x-orrery-ref': 'template' };
const HELP =
  'Its settings are filled in below and can all be changed; what it leaves open stays as it is. A name is always your own.';

export function TemplateChoice(props: { model: FormModel }): JSX.Element | null {
  const { model } = props;
  const { template } = model;
  useModel(template);
  if (!template.isOffered && template.ref === '') {
    return null;
  }
  const id = `${model.idPrefix}_template`;
  return (
    <div className="orr-Fields orr-Form-begin">
      <div className="orr-Field" data-type="string" data-invalid={template.error !== '' || undefined}>
        <div className="orr-Field-label">
          <label id={`${id}__label`} htmlFor={id} className="orr-Label">
            {LABEL}
          </label>
          <Help id={`${id}__description`} label={LABEL} text={HELP} />
        </div>
        <div className="orr-Field-input">
          <ReferenceWidget
            id={id}
            schema={TEMPLATES}
            label={LABEL}
            value={template.ref}
            disabled={model.isSending}
            canMake={false}
            onChange={(chosen: string | undefined) => void model.takeTemplate(chosen ?? '')}
          />
        </div>
        {template.error !== '' && (
          <div id={`${id}__error`} className="orr-Field-error" role="alert">
            {template.error}
          </div>
        )}
      </div>
    </div>
  );
}
