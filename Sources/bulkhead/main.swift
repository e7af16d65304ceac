import Commands

Bulkhead.main()
