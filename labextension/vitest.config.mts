import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Its CommonJS build, which Node takes, hands its form on as no component.
  resolve: { alias: [{ find: /^@rjsf\/core$/, replacement: '@rjsf/core/lib/index.js' }] },
  test: {
    environment: 'jsdom',
    testTimeout: 30_000,
    include: ['tests/**/*.test.{ts,tsx}'],
    setupFiles: ['tests/setup.ts'],
    // Lab's packages are ES modules that import styles and each other without extensions.
    server: { deps: { inline: [/@jupyterlab\//, /@jupyter\//, /@lumino\//, /@rjsf\//] } }
  }
});
