import Commands

Bulkhead.main(nil)
