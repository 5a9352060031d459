/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef SIM_BUS_H
#define SIM_BUS_H

/* The lowest floor, the way to the host: PCI, interrupts and DMA. */

#include <linux/irq_work.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>

/*
 * The BAR, in pages: the initialization segment, the MSI-X table with its
 * pending bits, then the doorbell pages (UARs) up to the end.
 */
#define SIM_BAR_SIZE		SZ_16M
#define SIM_MSIX_TABLE		SZ_16K
#define SIM_MSIX_PBA		(SZ_16K + SZ_4K)
#define SIM_FIRST_UAR		16
#define SIM_NUM_UARS		(SIM_BAR_SIZE / SZ_4K)
#define SIM_NUM_VECTORS	8

struct sim_irq {
	struct irq_work work;
	unsigned int virq;
};

/*
 * The host bridge and the function. The PCI and IRQ cores call one at a time;
 * @absent and @virq are read without a lock.
 */
struct sim_pci {
	struct platform_device *parent;
	struct pci_host_bridge *bridge;
	struct pci_sysdata sysdata;
	struct irq_domain *irq_domain;
	struct sim_irq irqs[SIM_NUM_VECTORS];
	struct resource window;
	struct resource busn;
	u8 config[PCI_CFG_SPACE_SIZE];
	u8 writable[PCI_CFG_SPACE_SIZE];
	bool absent;
	/* BAR 0, as the device sees it */
	void __iomem *bar;
};

/* A ring or queue in the driver's memory: the pages that a command listed. */
struct sim_buf {
	u64 *pages;
	u32 num_pages;
	u8 page_shift;
	u32 offset;
};

/* pci.c */
int sim_pci_init(struct sim_pci *pci, phys_addr_t bar);
int sim_pci_add(struct sim_pci *pci);
void sim_pci_cleanup(struct sim_pci *pci);
void sim_pci_insert_device(struct sim_pci *pci);
void sim_pci_remove_device(struct sim_pci *pci);
void sim_pci_report_loss(struct sim_pci *pci);
void sim_raise_irq(struct sim_pci *pci, u32 vector);

/* dma.c */
void *sim_dma(u64 addr, u32 length);
int sim_dma_copy(u64 addr, void *data, u32 length, bool write);
int sim_buf_init(struct sim_buf *buf, const __be64 *pages, u32 room,
		 u32 size, u8 page_shift, u32 page_offset);
void sim_buf_free(struct sim_buf *buf);
void *sim_buf_at(const struct sim_buf *buf, u32 offset, u32 length);

#endif /* SIM_BUS_H */
