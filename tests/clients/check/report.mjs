// Runs named cases one after the other and counts how they went.

export class Report {
  passed = 0;
  failed = 0;
  skipped = 0;

  async run(title, body) {
    const began = Date.now();
    try {
      await body();
      this.passed += 1;
      console.log(`passed: ${title} (${Date.now() - began} ms)`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAILED: ${title}: ${error.stack ?? error}`);
    }
  }

  skip(title, why) {
    this.skipped += 1;
    console.log(`skipped: ${title}: ${why}`);
  }

  end() {
    console.log(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
    return this.failed === 0 && this.passed > 0;
  }
}
