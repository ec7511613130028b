/** The widgets, fields and templates that every form is drawn with. */
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import type { RegistryFieldsType, RegistryWidgetsType, TemplatesType, ValidatorType } from '@rjsf/utils';
import { validator } from './validator';
import {
  Choice,
  ColumnInput,
  ColumnsInput,
  GoalInput,
  InstanceInput,
  JsonInput,
  MomentInput,
  NumberInput,
  Switch,
  TextArea,
  TextInput,
  Words
} from './inputs';
import { DurationInput } from './duration';
import { ImageWidget } from './images';
import { MetricWidget, ObjectivesField } from './objectives';
import { PairsField } from './pairs';
import { ReferenceWidget } from './reference';
import { SpaceField } from './space';
import { ArrayFieldTemplate, FieldTemplate, NoTemplate, ObjectFieldTemplate } from './templates';
import { UploadsField } from './uploads';

export const WIDGETS = {
  TextWidget: TextInput,
  PasswordWidget: TextInput,
  UpDownWidget: NumberInput,
  TextareaWidget: TextArea,
  SelectWidget: Choice,
  CheckboxWidget: Switch,
  DateTimeWidget: MomentInput,
  duration: DurationInput,
  textarea: TextArea,
  reference: ReferenceWidget,
  image: ImageWidget,
  goal: GoalInput,
  column: ColumnInput,
  columns: ColumnsInput,
  instance: InstanceInput,
  metric: MetricWidget,
  words: Words,
  json: JsonInput
} as unknown as RegistryWidgetsType<ReadonlyJSONObject>;
export const FIELDS = {
  uploads: UploadsField,
  pairs: PairsField,
  space: SpaceField,
  objectives: ObjectivesField
} as unknown as RegistryFieldsType<ReadonlyJSONObject>;
export const TEMPLATES = {
  FieldTemplate,
  ObjectFieldTemplate,
  ArrayFieldTemplate,
  DescriptionFieldTemplate: NoTemplate,
  FieldErrorTemplate: NoTemplate,
  ErrorListTemplate: NoTemplate
} as unknown as TemplatesType<ReadonlyJSONObject>;
export const VALIDATOR = validator as unknown as ValidatorType<ReadonlyJSONObject>;
