/** The extension's icons: drawn with strokes in the theme's colours. */
import { LabIcon } from '@jupyterlab/ui-components';

function icon(name: string, shapes: string): LabIcon {
  return new LabIcon({
    name: `orrery:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g fill="none" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round">${shapes}</g></svg>`
  });
}

/** A stroke and a filled shape, each in the colour that the theme gives to icons. */
const line = (d: string): string => `<path class="jp-icon3 jp-icon-selectable" stroke="#616161" d="${d}"/>`;
const dot = (x: number, y: number, r: number): string =>
  `<circle class="jp-icon3 jp-icon-selectable" fill="#616161" cx="${x}" cy="${y}" r="${r}"/>`;
const ring = (x: number, y: number, r: number): string =>
  `<circle class="jp-icon3 jp-icon-selectable" stroke="#616161" cx="${x}" cy="${y}" r="${r}"/>`;

/** The sun, two orbits, three planets. */
export const orreryIcon = icon(
  'orrery',
  dot(12, 12, 2.9) +
    ring(12, 12, 6.2) +
    ring(12, 12, 10.2) +
    dot(16.4, 7.6, 1.7) +
    dot(3.2, 17.2, 2) +
    dot(20.6, 17.4, 1.5)
);

const KIND_ICONS: Record<string, LabIcon> = {
  dataset: icon(
    'dataset',
    line('M4 5.5v13c0 1.7 3.6 3 8 3s8-1.3 8-3v-13M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3') +
      line('M4 5.5c0 1.7 3.6 3 8 3s8-1.3 8-3-3.600-3-8-3-8 1.300-8 3z')
  ),
  'dataset-version': icon('dataset-version', line('M12 3l9 5-9 5-9-5zM3 12.500l9 5 9-5M3 17l9 5 9-5')),
  experiment: icon(
    'experiment',
    line(
      'M9 3h6M10 3v6l-5.500 9.500a1.700 1.700 0 0 0 1.500 2.500h12a1.700 1.700 0 0 0 1.500-2.500L14 9V3M7.500 15h9'
    )
  ),
  algorithm: icon('algorithm', line('M5 3h14v18H5zM9 3v18M12 8h4M12 12h4')),
  training: icon('training', line('M3 3v18h18M7 7c1 7 4 9.500 13 10') + dot(7, 7, 1.3)),
  template: icon('template', line('M5 3h10l4 4v14H5zM15 3v4h4M8.500 11h7M8.500 15h4')),
  workflow: icon(
    'workflow',
    line(
      'M20 11a8 8 0 0 0-14.500-3.500L3 10M3 4.500V10h5.500M4 13a8 8 0 0 0 14.500 3.500L21 14M21 19.500V14h-5.500'
    ) + dot(12, 12, 1.6)
  ),
  tuning: icon(
    'tuning',
    line('M5 4v6M5 14v6M12 4v2M12 10v10M19 4v10M19 18v2') + ring(5, 12, 2) + ring(12, 8, 2) + ring(19, 16, 2)
  ),
  model: icon(
    'model',
    line(
      'M12 2.500l8.500 4.750v9.500L12 21.500l-8.500-4.750v-9.500zM3.500 7.250L12 12l8.500-4.750M12 12v9.500'
    )
  ),
  image: icon('image', line('M3 8l9-5 9 5v8l-9 5-9-5zM3 8l9 5 9-5M12 13v8M7.500 5.500l9 5v4')),
  notebook: icon(
    'notebook',
    line('M6 3h13v18H6zM4 7.500h4M4 12h4M4 16.500h4M11.500 8h4.500M11.500 12h4.500')
  ),
  kernel: icon(
    'kernel',
    line(
      'M7 7h10v10H7zM9.500 3v4M14.500 3v4M9.500 17v4M14.500 17v4M3 9.500h4M3 14.500h4M17 9.500h4M17 14.500h4'
    )
  ),
  'registry-account': icon(
    'registry-account',
    ring(7.5, 8, 3.5) + line('M2 20c.500-4 2.500-6 5.500-6s5 2 5.500 6M14 9h8M18.500 9v3.500M21.500 9v2.500')
  ),
  dashboard: icon('dashboard', line('M3 4h18v16H3zM3 9h18M10 9v11M13.500 16.500v-3M17 16.500v-4.500')),
  secret: icon('secret', ring(8, 15, 4.2) + line('M11 12l9-9M16 7l3.500 3.500M13.500 9.500l2 2')),
  endpoint: icon(
    'endpoint',
    dot(12, 12, 2.2) +
      line(
        'M7.800 16.200a6 6 0 0 1 0-8.400M16.200 7.800a6 6 0 0 1 0 8.400M4.900 19.100a10 10 0 0 1 0-14.200M19.100 4.900a10 10 0 0 1 0 14.200'
      )
  )
};

export function kindIcon(kind: string): LabIcon {
  return KIND_ICONS[kind] ?? orreryIcon;
}

export const trashIcon = icon('trash', line('M4 7h16M9 7V4h6v3M6.500 7l1 14h9l1-14M10 11v6M14 11v6'));
export const linkOutIcon = icon('link-out', line('M14 4h6v6M20 4l-9 9M18 14v6H4V6h6'));
export const uploadIcon = icon('upload', line('M12 16V4M7 9l5-5 5 5M4 16v4h16v-4'));
export const copyIcon = icon('copy', line('M9 9h11v11H9zM5 15H4V4h11v1'));
export const trainingChartIcon = kindIcon('training');
export const columnsIcon = icon('columns', line('M4 5h16v14H4zM9.500 5v14M14.500 5v14'));
export const startIcon = icon('start', line('M12 3v8M7 5.600a8 8 0 1 0 10 0'));
export const linkIcon = icon(
  'link',
  line(
    'M10 14a4 4 0 0 0 5.700 0l4-4a4 4 0 0 0-5.700-5.700L12.500 5.800M14 10a4 4 0 0 0-5.700 0l-4 4a4 4 0 0 0 5.700 5.700l1.500-1.500'
  )
);
export const overviewIcon = icon('overview', line('M4 4h7v7H4zM13 4h7v4h-7zM13 11h7v9h-7zM4 14h7v6H4z'));
export const dashboardIcon = icon(
  'dashboard',
  line('M3 4h18v16H3zM3 9h18M9 9v11M12.500 16v-3M15.500 16v-5M18.500 16v-2')
);
