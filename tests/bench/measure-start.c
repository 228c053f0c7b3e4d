/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From the start to the name taken.
 */

#include "measures.h"
#include "service.h"

void measure_start(const Bench *bench) {
        MessageBus *bus = message_bus_new(bench->bus);
        Samples samples = {};
        double median;

        for (unsigned i = 0; i < bench->plan->starts + 1; i++) {
                Service *service = service_new(bus, "", false, NULL);

                if (i > 0)
                        samples_add(&samples, service->start_nsec);
                service_free(service);
        }
        median =
                results_add_times(bench->results, "start to the bus name taken", &samples, NULL, 0);
        results_add_target(bench->results, "ms from the start to the name", median / 1e6, 10);
        message_bus_free(bus);
}
